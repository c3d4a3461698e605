"""A user of an application, as the application describes them to Keyfob."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AppPerson:
    """Who is signed in to an application. The person is known by *team* and *id*, never by the e-mail address.

    Args:
        id: what the application knows the person by, for ever.
        name: for people.
        email: for people, if there is one.
        team: the id of the team whose keys the person sees: lower-case letters, digits and hyphens.
        role: a role of ``[roles]``; ``owner`` acts as ``team_admin``.
        team_name: what the team is called. None leaves a team as it is, and calls a new one by its id.
        plan: the plan of the team. None leaves a team as it is, and gives a new one the default plan.
    """

    id: str
    name: str
    email: str | None
    team: str
    role: str = "member"
    team_name: str | None = None
    plan: str | None = None
