"""The page that connectors are written from names what there is."""

from importlib.resources import files

from partner_client import Sandbox


async def test_the_page_names_every_operation_and_credential_of_every_service(sandbox: Sandbox) -> None:
    page = (files("crossdock.sandbox") / "README.md").read_text("utf-8")
    for service, entry in sandbox.services.items():
        about = (await sandbox.raw(service, "GET", "/")).json
        missing = [name for name in about["operations"] if f"`{name}`" not in page]
        assert (service, missing) == (service, ["login"] if service == "erp" else [])
        assert f"`{service}`" in page
        assert entry["webhook_secret"] in page
        assert all(value in page for value in entry["credentials"].values())
