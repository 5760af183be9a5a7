"""The store: what a video's rows are, how they are written safely, and how they are read.

===================  ====================================================================
file                 responsibility
===================  ====================================================================
``layout``           the arrays: names, axes, units, layout version (data, no I/O)
``provenance``       what made the rows: the typed contract between the two stages
``place``            where a store lies: folders of whole files, and those of a disk
``bucket``           those of a bucket, through obstore
``block_cache``      keeps on a disk what training reads from buckets
``file_checksums``   sizes and checksums of files, and files that change together
``commit``           the root of a store, which says what the store holds
``store_files``      the arrays as files: which there are, what is wrong with them
``shard_files``      reads a run of rows in a fraction of the time that zarr takes
``arrays``           the arrays: create, append, commit; nearly all of zarr that is used
``reader``           open a store, list its videos, read a video's rows
``records``          finished and failed videos, and their files that wait to be packed
``writer_state``     what a process that writes is at
``staging``          which process works on which video; what waits to be packed
``writer``           append videos: those of an extraction, those of an import
``repair``           checks all bytes, drops the damaged videos, makes the files whole again
===================  ====================================================================
"""
