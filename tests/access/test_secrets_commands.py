"""Secrets on the command line: read from standard input, listed by name, sealed anew; what doctor says."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from pathlib import Path

import asyncpg
import pytest

from crossdock.assemble import opened
from crossdock.cli import main
from crossdock.cli.place import settings_in
from crossdock.connect import Keeper
from crossdock.errors import CrossdockError
from crossdock.settings import user

SECRETS = {"key": "canary-key-1", "webhook_secret": "canary-hook-1"}


class Place:
    """A directory in which commands are given, for a database of its own."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, said: pytest.CaptureFixture[str]) -> None:
        self.folder, self._patch, self._said = folder, patch, said
        self.err = ""

    def __call__(self, *arguments: str, given: str = "") -> tuple[int, list[dict[str, object]]]:
        """The status, and the objects that were said; nothing that is said holds a canary."""
        self._patch.setattr(sys, "argv", ["crossdock", *arguments, "--json"])
        self._patch.setattr(sys, "stdin", io.StringIO(given))
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        out, self.err = self._said.readouterr()
        assert "canary" not in out + self.err
        return status, [json.loads(line) for line in out.splitlines()]

    def finding(self, what: str) -> dict[str, object]:
        (said,) = self("doctor")[1]
        return next(one for one in said["findings"] if one["what"] == what)  # type: ignore[attr-defined]


@pytest.fixture
def place(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")
    connection = {"connector": "quayline", "settings": {"url": "http://127.0.0.1:9"}}
    (tmp_path / "connections.yaml").write_text(json.dumps({"parcels": {**connection, "secrets": SECRETS}}))
    asyncio.run(_begun(tmp_path))
    (tmp_path / "connections.yaml").write_text(json.dumps({"parcels": connection}))
    return Place(tmp_path, monkeypatch, capsys)


async def _begun(folder: Path) -> None:
    async with opened(settings_in(folder), set_up=True):
        pass


def opened_texts(place: Place) -> dict[str, list[str]]:
    async def go() -> dict[str, list[str]]:
        async with opened(settings_in(place.folder)) as system:
            keeper: Keeper = system.keeper
            found = await keeper.secrets(system.tenant.id, "parcels")
            return {name: [one.reveal() for one in texts] for name, texts in found.items()}

    return asyncio.run(go())


def test_secrets_of_the_file_are_kept_when_it_names_them_no_longer(place):
    asyncio.run(_begun(place.folder))
    assert opened_texts(place) == {"key": ["canary-key-1"], "webhook_secret": ["canary-hook-1"]}
    status, listed = place("secrets", "list")
    assert (status, [(one["name"], one["set_by"], one["in_use"]) for one in listed]) == (
        0,
        [("key", user(), True), ("webhook_secret", user(), True)],
    )


def test_a_secret_is_read_from_standard_input_and_replaces_another(place):
    asked = ("secrets", "set", "parcels", "key")
    assert place(*asked, given="canary-key-2\n") == (
        0,
        [{"connection": "parcels", "name": "key", "changed": True}],
    )
    assert place(*asked, given="canary-key-2\n")[1][0]["changed"] is False
    assert place("secrets", "set", "parcels", "webhook_secret", "--keep-old", given="canary-hook-2")[0] == 0
    assert opened_texts(place) == {
        "key": ["canary-key-2"],
        "webhook_secret": ["canary-hook-2", "canary-hook-1"],
    }
    assert place("secrets", "drop", "parcels", "webhook_secret", "--old")[1][0]["dropped"] == 1
    assert opened_texts(place)["webhook_secret"] == ["canary-hook-2"]


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (("parcel", "key"), "x", "there is no connection parcel"),
        (("parcels", "kei"), "x", "quayline has no secret `kei`"),
        (("parcels", "key"), "", "the secret `key` is empty"),
        (("parcels", "key"), "canary" * 20_000, "the secret `key` is longer than 65536 bytes"),
    ],
)
def test_what_cannot_be_set_is_refused(place, arguments, given, said):
    status, (error,) = place("secrets", "set", *arguments, given=given)
    assert (status, error["message"]) == (1, said)


def test_rotating_makes_a_key_and_seals_all_with_it(place):
    before = opened_texts(place)
    file = place.folder / "crossdock-data" / "keys" / "master.key"
    old = file.read_text()
    status, (said,) = place("secrets", "rotate", "--new-master", "--values")
    assert (status, said["data_keys"], said["values"]) == (0, 1, 2)
    assert file.read_text().splitlines()[1:] == old.splitlines()
    file.write_text(file.read_text().splitlines()[0])  # the old one may be taken away
    assert opened_texts(place) == before
    assert place.finding("master key")["good"] is True


@pytest.mark.parametrize("given", ["", base64.b64encode(b"y" * 32).decode()])
def test_a_missing_or_wrong_key_is_said_at_the_start_and_by_the_doctor_and_nothing_is_lost(
    place, given, monkeypatch
):
    file = place.folder / "crossdock-data" / "keys" / "master.key"
    kept = file.read_text()
    file.unlink()
    monkeypatch.setenv("CROSSDOCK_MASTER_KEY", given)
    finding = place.finding("master key")
    assert finding["good"] is False
    assert "the secrets are sealed with" in str(finding["detail"])
    assert "nothing is lost" in str(finding["mend"])
    for command in (("serve", "--port", "0"), ("worker",), ("secrets", "rotate")):
        status, said = place(*command)
        assert (status, "the secrets are sealed with" in str(said[-1]["message"])) == (1, True), command
    assert place("runs")[0] == 0  # what needs no secret goes on
    assert "secrets.locked" in place.err
    monkeypatch.setenv("CROSSDOCK_MASTER_KEY", "")
    assert not file.exists()
    file.write_text(kept)
    file.chmod(0o600)
    assert opened_texts(place)["key"] == ["canary-key-1"]


def test_the_key_moves_from_its_file_into_the_environment(place, monkeypatch):
    file = place.folder / "crossdock-data" / "keys" / "master.key"
    new = base64.b64encode(b"z" * 32).decode()
    monkeypatch.setenv("CROSSDOCK_MASTER_KEY", new)
    assert "crossdock secrets rotate" in str(place.finding("master key")["detail"])
    status, (refused,) = place("secrets", "rotate", "--new-master")
    assert (status, refused["message"]) == (1, "the master key is given from outside")
    assert place("secrets", "rotate")[0] == 0
    file.unlink()
    assert opened_texts(place)["key"] == ["canary-key-1"]


def test_the_doctor_tells_what_expires_soon_and_what_others_may_read(place):
    place("secrets", "set", "parcels", "key", "--expires", "2026-01-01", given="canary-key-3")
    finding = place.finding("secret parcels key")
    assert finding["good"] is False
    assert str(finding["detail"]).startswith("expires at 2026-01-01 00:00")
    file = place.folder / "crossdock-data" / "keys" / "master.key"
    file.chmod(0o644)
    assert place.finding("master key")["mend"] == f"chmod 600 {file}"
    (place.folder / "crossdock-data" / "secrets.json").write_text("{}")
    assert place.finding("secrets")["good"] is False


def test_an_old_file_of_secrets_is_taken_over_at_the_start(place, url):
    async def tenant() -> int:
        owner = await asyncpg.connect(url)
        found: int = await owner.fetchval("select tenant from crossdock.tenant where name = 'default'")
        await owner.close()
        return found

    place("secrets", "drop", "parcels", "key")
    old = place.folder / "crossdock-data" / "secrets.json"
    old.write_text(json.dumps({str(asyncio.run(tenant())): {"parcels": {"key": ["canary-old-file"]}}}))
    asyncio.run(_begun(place.folder))
    assert not old.exists()
    assert opened_texts(place)["key"] == ["canary-old-file"]


def test_what_needs_a_secret_says_why_there_is_none(place):
    (place.folder / "crossdock-data" / "keys" / "master.key").unlink()
    with pytest.raises(CrossdockError, match="the secrets are sealed with a master key that is not here"):
        opened_texts(place)
