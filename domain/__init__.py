"""The business rules, independent of AWS: frozen data in, frozen data out.

No AWS, no clock, no environment: time and today's date are arguments.
"""
