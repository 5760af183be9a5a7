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
``failures``         the table of failures: why videos are not in the store
``free_rows``        rows that no video has any longer
``reader``           open a store, list its videos, read a video's rows
``records``          finished and failed videos, and their files that wait to be packed
``writer_state``     what a process that writes is at
``liveness``         which writers live, by locks or by heartbeats, and which one is let in
``wanted``           in which order videos are claimed, and which are done meanwhile
``staging``          which process works on which video; what waits to be packed
``packed_store``     a store that is being extended, and how what waits gets into it
``writer``           append videos: those of an extraction, those of an import
``compaction``       gives back the room of rows that no video has
``repair``           checks all bytes, drops the damaged videos, makes the files whole again
``testing``          what every place has to keep, as a state machine
===================  ====================================================================
"""
