"""Recorded drives by the thousand: the stages of a run over many clips, on one machine or on a Ray cluster.

finding.py listing.py remote.py  which clips there are, and how one that lies elsewhere is fetched
clean_keys.py cuts.py            where a long file can be cut so that nothing changes
schema.py rows.py parquet.py     what is written: one Parquet file a clip
tasks.py worker.py joining.py    a piece of work, and who does it, with networks that are loaded once
ledger.py dispatch.py            what is done and what comes next; survives the death of everyone
engine.py crew.py                who runs the workers, and how they get their tasks
local.py on_ray.py               the workers: processes here, or actors of Ray
identity.py report.py replay.py  what the data set is, what became of it, all of it together
"""
