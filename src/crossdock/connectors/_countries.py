"""Countries by the three letters of ISO 3166-1 alpha-3, or by their English name, as carriers write them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources

from crossdock.model.codes import COUNTRIES

# ISO 3166-1: alpha-3 and alpha-2 of each country.
_ALPHA3 = """
ABWAW AFGAF AGOAO AIAAI ALAAX ALBAL ANDAD AREAE ARGAR ARMAM ASMAS ATAAQ ATFTF ATGAG AUSAU AUTAT AZEAZ BDIBI
BELBE BENBJ BESBQ BFABF BGDBD BGRBG BHRBH BHSBS BIHBA BLMBL BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT
BVTBV BWABW CAFCF CANCA CCKCC CHECH CHLCL CHNCN CIVCI CMRCM CODCD COGCG COKCK COLCO COMKM CPVCV CRICR CUBCU
CUWCW CXRCX CYMKY CYPCY CZECZ DEUDE DJIDJ DMADM DNKDK DOMDO DZADZ ECUEC EGYEG ERIER ESHEH ESPES ESTEE ETHET
FINFI FJIFJ FLKFK FRAFR FROFO FSMFM GABGA GBRGB GEOGE GGYGG GHAGH GIBGI GINGN GLPGP GMBGM GNBGW GNQGQ GRCGR
GRDGD GRLGL GTMGT GUFGF GUMGU GUYGY HKGHK HMDHM HNDHN HRVHR HTIHT HUNHU IDNID IMNIM INDIN IOTIO IRLIE IRNIR
IRQIQ ISLIS ISRIL ITAIT JAMJM JEYJE JORJO JPNJP KAZKZ KENKE KGZKG KHMKH KIRKI KNAKN KORKR KWTKW LAOLA LBNLB
LBRLR LBYLY LCALC LIELI LKALK LSOLS LTULT LUXLU LVALV MACMO MAFMF MARMA MCOMC MDAMD MDGMG MDVMV MEXMX MHLMH
MKDMK MLIML MLTMT MMRMM MNEME MNGMN MNPMP MOZMZ MRTMR MSRMS MTQMQ MUSMU MWIMW MYSMY MYTYT NAMNA NCLNC NERNE
NFKNF NGANG NICNI NIUNU NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PCNPN PERPE PHLPH PLWPW PNGPG POLPL
PRIPR PRKKP PRTPT PRYPY PSEPS PYFPF QATQA REURE ROURO RUSRU RWARW SAUSA SDNSD SENSN SGPSG SGSGS SHNSH SJMSJ
SLBSB SLESL SLVSV SMRSM SOMSO SPMPM SRBRS SSDSS STPST SURSR SVKSK SVNSI SWESE SWZSZ SXMSX SYCSC SYRSY TCATC
TCDTD TGOTG THATH TJKTJ TKLTK TKMTM TLSTL TONTO TTOTT TUNTN TURTR TUVTV TWNTW TZATZ UGAUG UKRUA UMIUM URYUY
USAUS UZBUZ VATVA VCTVC VENVE VGBVG VIRVI VNMVN VUTVU WLFWF WSMWS YEMYE ZAFZA ZMBZM ZWEZW
"""
_BY_THREE: Mapping[str, str] = {pair[:3]: pair[3:] for pair in _ALPHA3.split()}
_LAST = re.compile(r"([-,])\s*([^-,]+?)\s*\Z")


def alpha2(code: str) -> str:
    """The two letters for two or three; "" for what is neither."""
    code = code.strip().upper()
    return _BY_THREE.get(code, "") if len(code) == 3 else code if len(code) == 2 else ""


@functools.lru_cache(4096)
def country_in(words: str) -> str:
    """The country that words for a place end with; "" for none.

    `KINGSTON-JAM`, `Barcelona - Spain`, `La Paz-MX`; but `Oakland, CA` is in a state.
    """
    found = _LAST.search(words)
    if found is None:
        return ""
    dash, last = found.groups()
    if dash == "," and last.casefold() == "georgia":
        return ""  # a state as well
    if dash == "-" and last in COUNTRIES:
        return last
    return _BY_THREE.get(last, "") or _names().get(last.casefold(), "")


@functools.cache
def _names() -> Mapping[str, str]:
    """Names in the list of the IANA time zone database, and the everyday ones of the largest shippers."""
    text = resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    everyday = {
        "united kingdom": "GB",
        "great britain": "GB",
        "uk": "GB",
        "usa": "US",
        "united states of america": "US",
        "czech republic": "CZ",
        "south korea": "KR",
        "korea": "KR",
        "hong kong sar": "HK",
    }
    return {name.casefold(): code for code, name in rows} | everyday
