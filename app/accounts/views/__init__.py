"""Screens of accounts and organisations."""
