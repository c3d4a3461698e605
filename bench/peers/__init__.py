"""Other packages that guard an application with API keys, each in the set-up that it recommends for production.

Each ``NAME_app.py`` runs in an environment of its own, from ``requirements/peers/NAME.txt``, and imports nothing of
ours. Its docstring says which set-up that is and where the package recommends it. All of their databases are SQLite
files in WAL mode, as Keyfob's is.
"""
