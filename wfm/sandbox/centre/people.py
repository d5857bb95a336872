"""The queues and agents of the simulated centre, and their names at each vendor."""

from __future__ import annotations

from dataclasses import dataclass

MAIL_DOMAIN = "centre.example"
FIRST_NAMES = (
    "Ada",
    "Änn",
    "José",
    "Grace",
    "Zoë",
    "Omar",
    "Lena",
    "Björn",
    "Noor",
    "Renée",
    "Ivan",
    "Mia",
    "Chloé",
    "Tariq",
    "Günter",
    "Ruth",
    "Paulo",
    "Inès",
    "Yael",
    "Søren",
)
LAST_NAMES = (
    "Finch",
    "O'Neill",
    "Müller",
    "Okafor",
    "García",
    "Lindqvist",
    "Haddad",
    "Novak",
    "Peña",
    "Smith & Jones",
    "Rossi",
    "Dubois",
    "Levi",
    "Hansen",
    "Čapek",
    "Moreau",
    "Brandão",
)
TEAMS = ("North", "South", "Évening")


@dataclass(frozen=True, slots=True)
class SimulatedQueue:
    """A queue: its share of the calls, the patience of its callers and the length of its calls.

    ``shape`` is the queue of the bundled sample whose weekly pattern it follows; talk and patience are means.
    """

    queue_id: str
    name: str
    number: str
    shape: str
    share: float
    talk_s: float = 200.0
    wrap_s: float = 28.0
    patience_s: float = 240.0


FIRST_PHONE_ID = 9000
"""First id of Telphin's extensions."""


@dataclass(frozen=True, slots=True)
class SimulatedAgent:
    """An agent: ``ncc`` and ``xsi`` are logins, ``skills`` positions of queues."""

    agent_id: str
    first: str
    last: str
    team: str
    ncc: str
    username: str
    xsi: str
    number: str
    extension: str
    skills: tuple[int, ...]

    @property
    def name(self) -> str:
        """Return the first and last name."""
        return f"{self.first} {self.last}"


_QUEUES = (
    ("Sales", "PS", 4.0, 210.0, 200.0),
    ("Support", "NE", 3.0, 260.0, 300.0),
    ("Billing", "NW", 2.0, 150.0, 180.0),
    ("Card lost", "TT", 1.0, 120.0, 240.0),
    ("Español", "PS", 1.0, 200.0, 260.0),
    ("Business", "NE", 1.0, 240.0, 220.0),
)


def make_queues(n: int) -> tuple[SimulatedQueue, ...]:
    """Return ``n`` queues, whose shares add up to 1."""
    rows = [_QUEUES[i % len(_QUEUES)] for i in range(n)]
    total = sum(row[2] for row in rows)
    return tuple(
        SimulatedQueue(
            queue_id=f"q-{i + 1}",
            name=name if i < len(_QUEUES) else f"{name} {i // len(_QUEUES) + 1}",
            number=f"+1555550{1000 + i}",
            shape=shape,
            share=share / total,
            talk_s=talk,
            patience_s=patience,
        )
        for i, (name, shape, share, talk, patience) in enumerate(rows)
    )


def make_agents(n: int, queues: tuple[SimulatedQueue, ...]) -> tuple[SimulatedAgent, ...]:
    """Return ``n`` agents with one or two skills; queues get first skills by their share."""
    digits = max(3, len(str(n)))
    return tuple(_make_agent(i, digits, _choose_skills(i, n, queues)) for i in range(n))


def _choose_skills(i: int, n: int, queues: tuple[SimulatedQueue, ...]) -> tuple[int, ...]:
    place = ((i * 0.618034) % 1.0) if n > 1 else 0.0
    first, reach = len(queues) - 1, 0.0
    for q, queue in enumerate(queues):
        reach += queue.share
        if place < reach:
            first = q
            break
    second = (first + 1 + i % max(1, len(queues) - 1)) % len(queues)
    return (first,) if second == first or i % 3 == 2 else (first, second)


def _make_agent(i: int, digits: int, skills: tuple[int, ...]) -> SimulatedAgent:
    first, last = (
        FIRST_NAMES[i % len(FIRST_NAMES)],
        LAST_NAMES[(i * 7 + i // len(FIRST_NAMES)) % len(LAST_NAMES)],
    )
    plain = f"agent{i + 1:0{digits}d}"
    return SimulatedAgent(
        agent_id=f"agent-{i + 1:0{digits}d}",
        first=first,
        last=last,
        team=TEAMS[i % len(TEAMS)],
        ncc=f"u-{i + 11}",
        username=plain,
        xsi=f"{plain}@{MAIL_DOMAIN}",
        number=f"+1555{5510000 + i:07d}",
        extension=str(2000 + i),
        skills=skills,
    )
