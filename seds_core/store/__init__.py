"""The store: what a video's rows are, how they are written safely, and how they are read.

===================  ====================================================================
file                 responsibility
===================  ====================================================================
``layout``           the contract: arrays, axes, units, layout version (data, no I/O)
``provenance``       what made a store, and whether two of them agree
``durable``          files that are on the disk with all they hold, or not there
``file_checksums``   sizes and checksums of files, and files that change together
``commit``           the root of a store, which says what the store holds
``arrays``           the arrays: create, append, commit; the only file that imports zarr
``store_files``      which files the arrays have, and which are damaged
``shard_files``      reads a run of rows in a fraction of the time that zarr takes
``records``          one finished or failed video, as a file that is whole or absent
``staging``          which process works on which video; what waits to be packed
``packed_store``     the committed store that finished videos are appended to
``writer``           claim, finish, fail, pack: everything an extraction does to a store
``bulk_writer``      add, fail: everything an import does to a store
``reader``           open a store, list its videos, read a video's rows
``integrity``        whether a store still holds what was written
``repair``           drops the damaged videos and makes the files whole again
===================  ====================================================================
"""
