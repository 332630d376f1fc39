"""What the shipped connectors offer together, against the contracts of the systems."""

from importlib import resources

from crossdock.connect import Registry, contracts
from crossdock.connect.systems import shape_of

# No carrier here takes claims by a machine: a process that files one needs another connector, or a person.
NOT_SERVED = {"carrier.file_claim", "carrier.withdraw_claim"}
# Cargoson tells nobody when a booking is rejected later: whoever needs to know asks.
BEYOND = {"tms.booking"}


def test_every_operation_of_the_contracts_is_served_but_claims(registry: Registry) -> None:
    served = {
        shape_of(connector, operation).name
        for connector in registry.connectors.values()
        for operation in connector.operations
    }
    assert set(contracts()) - served == NOT_SERVED
    assert served - set(contracts()) == BEYOND


def test_every_connector_of_the_sandbox_loads(registry: Registry) -> None:
    assert set(registry.connectors) >= {
        "northway_erp",
        "stackyard_wms",
        "waypost_tms",
        "quayline",
        "farrow",
        "oldbridge",
        "postbox",
    }
    assert {name for name in registry.problems if not name.rpartition(".")[2].startswith("_")} == set()


def test_every_setting_and_secret_says_what_it_is(registry: Registry) -> None:
    for connector in registry.connectors.values():
        assert connector.doc
        called = bool(connector.operations or connector.polls)  # else it only reads what is sent here
        assert (connector.health is not None, connector.sign_in is not None) == (called, called)
        for setting in connector.settings.values():
            assert setting.doc
        for what in connector.secrets.values():
            assert what


def test_each_folder_has_the_same_files(registry: Registry) -> None:
    for folder in resources.files("crossdock.connectors").iterdir():
        if not folder.is_dir() or folder.name.startswith("_") or folder.name not in registry.connectors:
            continue
        names = {file.name for file in folder.iterdir()}
        if "connector.yaml" in names:
            continue
        assert {"__init__.py", "replies.py", "settings.py"} <= names, folder.name
        if registry.connectors[folder.name].operations:
            assert "examples" in names, folder.name
            assert names & {"requests.py", "talks.py"}, folder.name
