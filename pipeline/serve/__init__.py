"""Watching a run without a screen, and a network as a service: the page, the API, the metrics.

    server.py     a thread with an event loop of its own, started and joined by whoever opens it
    guard.py      who may ask
    station.py    one source as the page sees it: numbers, pictures, recording
    tap.py        pictures copied and encoded only when somebody waits for them
    segmenting.py `POST /segment`
    page/         plain HTML, CSS and JavaScript

Nothing here knows sources, networks or sinks: what can segment, draw or record is handed in.
"""
