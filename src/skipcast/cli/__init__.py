"""The command line: one file per group of commands.

- main: the app
- data: fetch, load, features; search and promote: the stages of these names
- report, predict, serve, demo, twin: commands for people
"""
