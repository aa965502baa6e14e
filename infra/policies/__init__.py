"""Least-privilege access to the store, one policy per role, written from what the stages declare they read and write."""
