"""The store: what a video's rows are, how they are written safely, and how they are read.

===================  ====================================================================
file                 responsibility
===================  ====================================================================
``layout``           the contract: arrays, axes, units, layout version (data, no I/O)
``provenance``       what made a store, and whether two of them agree
``arrays``           the Zarr arrays themselves; the only file that imports zarr
``records``          one finished or failed video, as a file that is whole or absent
``staging``          which process works on which video; what waits to be packed
``writer``           claim, finish, fail, pack: everything an extraction does to a store
``reader``           open a store, list its videos, read a video's rows
``integrity``        structure and checksums
===================  ====================================================================
"""
