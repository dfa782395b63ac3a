"""The time zone of an address. The data set has none, so it is derived from country and state.

A state with two zones gets the zone in which most of its people live.
"""

_BY_COUNTRY = {"DE": "Europe/Berlin", "FR": "Europe/Paris", "GB": "Europe/London"}
_BY_STATE = {
    "US": {
        "America/New_York": "CT DC DE FL GA KY MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
        "America/Detroit": "MI",
        "America/Indiana/Indianapolis": "IN",
        "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
        "America/Denver": "CO MT NM UT WY",
        "America/Boise": "ID",
        "America/Phoenix": "AZ",
        "America/Los_Angeles": "CA NV OR WA",
        "America/Anchorage": "AK",
        "Pacific/Honolulu": "HI",
    },
    "CA": {
        "America/St_Johns": "NL",
        "America/Halifax": "NS PE",
        "America/Moncton": "NB",
        "America/Toronto": "ON QC",
        "America/Winnipeg": "MB",
        "America/Regina": "SK",
        "America/Edmonton": "AB",
        "America/Vancouver": "BC",
    },
    "AU": {
        "Australia/Sydney": "NSW",
        "Australia/Melbourne": "VIC",
        "Australia/Brisbane": "QLD",
        "Australia/Hobart": "TAS",
        "Australia/Adelaide": "SA",
        "Australia/Perth": "WA",
    },
}
_ZONES = {
    (country, state): zone
    for country, zones in _BY_STATE.items()
    for zone, states in zones.items()
    for state in states.split()
}


def zone_of(country: str | None, state: str | None) -> str | None:
    """Return the IANA zone, or None if it is not known. The row then ends in quarantine, without a guessed zone."""
    return _BY_COUNTRY.get(country or "") or _ZONES.get((country or "", state or ""))
