"""Everything that changes anything: one method for each deed, for pages, API, commands, links and jobs alike.

The rules:

- Each method is given who acts, as a door has established it, and touches what is of that tenant alone.
- It reads what is acted on, asks `Policies` about it, does it, and notes it in the audit, in the transaction
  of the deed. A refused attempt is noted as well, and changes nothing.
- What concerns a run is put to it as an event; its own decision says what comes of it (`Acts.outcome`).
- A decision is about what was seen: what has changed since is refused as a conflict.
- Who is kept from deciding is kept from it by every method, one at a time or of many.
"""

from __future__ import annotations

from crossdock import connect
from crossdock.access import Policies, Principal
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.outbound import Outbound
from crossdock.access.sealing import Sealing
from crossdock.access.secrets import ConnectionSecrets
from crossdock.access.subjects import Subjects
from crossdock.access.tenants import Tenants
from crossdock.connect import Registry
from crossdock.desk.codes import Codes
from crossdock.desk.connections import Lines
from crossdock.desk.events import Deliveries, Events
from crossdock.desk.exceptions import Exceptions
from crossdock.desk.explain import Explain
from crossdock.desk.ground import Asked, Ground, Told
from crossdock.desk.house import Houses, Roles, Settings
from crossdock.desk.keys import Keys
from crossdock.desk.mappings import Mappings
from crossdock.desk.people import People, Providers
from crossdock.desk.personal import Personal
from crossdock.desk.processes import Problems, Processes
from crossdock.desk.proposals import Proposals
from crossdock.desk.reconciliation import Reconciliation
from crossdock.desk.repairs import ManyRuns
from crossdock.desk.runs import Runs
from crossdock.desk.tasks import Tasks
from crossdock.engine import Connections, History, Inbox, Library, Repairs
from crossdock.engine.library import Read
from crossdock.gateway import Quarantine
from crossdock.store import Database


class Acts:
    """All deeds, by what they are done to."""

    def __init__(
        self,
        *,
        database: Database,
        policies: Policies,
        audit: Audit,
        inbox: Inbox,
        library: Library,
        repairs: Repairs,
        connections: Connections,
        quarantine: Quarantine,
        registry: Registry,
        secrets: ConnectionSecrets,
        lines: connect.Lines,
        sealing: Sealing,
        identity: Identity,
        subjects: Subjects | None = None,
        outbound: Outbound | None = None,
        read: Read,
        problems: Problems,
    ) -> None:
        """By these. `read` compiles the text of a process, `problems` says what stands against several.

        `outbound` says which addresses may be called; without it all but those that never are.
        """
        outbound = outbound or Outbound()
        ground = Ground(
            database=database, policies=policies, audit=audit, inbox=inbox, history=History(database)
        )
        self._ground = ground
        self.policies = policies
        self.tasks = Tasks(ground)
        self.exceptions = Exceptions(ground)
        self.runs = Runs(ground, library, repairs)
        self.proposals = Proposals(ground, self.runs, self.tasks, self.exceptions)
        self.repairs = ManyRuns(ground, repairs)
        self.reconciliation = Reconciliation(ground, registry, lines, outbound)
        self.events = Events(ground)
        self.deliveries = Deliveries(ground, quarantine)
        self.processes = Processes(ground, library, read=read, problems=problems)
        self.connections = Lines(ground, connections, registry, secrets, lines, outbound)
        self.mappings = Mappings(ground, lines, registry)
        self.codes = Codes(ground, lines, outbound)
        self.settings = Settings(ground, library)
        self.roles = Roles(ground)
        self.keys = Keys(ground, identity.keys)
        self.people = People(ground, identity.people)
        self.providers = Providers(ground, identity.providers)
        self.personal = Personal(ground, subjects or Subjects(database, sealing, audit))
        self.explain = Explain(ground, identity.keys)
        self.tenants = Houses(ground, Tenants(database, audit), secrets, sealing)

    async def outcome(self, by: Principal, asked: Asked, *, within: float = 2.0) -> Told | None:
        """What the run has decided about what it was asked; None where it has not within so many seconds."""
        return await self._ground.outcome(by, asked, within=within)
