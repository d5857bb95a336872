"""The simulated centre: people, roster, demand, behaviour of agents and distribution of calls."""
