"""What a user writes: handlers, the app that holds them, and what a stage is given."""

from stormcone.handlers.app import App as App
from stormcone.handlers.context import Context as Context
from stormcone.handlers.event_rules import EventRule as EventRule
from stormcone.handlers.handler import ANY_CAUSE as ANY_CAUSE
from stormcone.handlers.handler import ANY_IMPACT as ANY_IMPACT
from stormcone.handlers.handler import USUAL_LEAD as USUAL_LEAD
from stormcone.handlers.handler import Handler as Handler
from stormcone.handlers.handler import Stage as Stage
