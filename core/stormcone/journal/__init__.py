"""The journal: the durable record of events, changes, runs and approvals. No state lives only in memory."""

from stormcone.journal.contract import JournalStore as JournalStore
from stormcone.journal.contract import OutboxStore as OutboxStore
from stormcone.journal.records import ApprovalRecord as ApprovalRecord
from stormcone.journal.records import AttemptRecord as AttemptRecord
from stormcone.journal.records import ChangeRecord as ChangeRecord
from stormcone.journal.records import ClockRecord as ClockRecord
from stormcone.journal.records import Delivery as Delivery
from stormcone.journal.records import Episode as Episode
from stormcone.journal.records import EpisodeRecord as EpisodeRecord
from stormcone.journal.records import Life as Life
from stormcone.journal.records import SinkRecord as SinkRecord
from stormcone.journal.sqlite.store import Journal as Journal
