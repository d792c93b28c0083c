/** Every bound, with its unit and its reason. Relations between them are asserted at the end. */

import { strict as assert } from 'node:assert'

// HTTP

/** Line and headers of a request, however they arrive. A check of a real Firefox is under 1 KiB; 16 KiB of query get an answer. */
export const HEADER_BYTES_MAX = 32 * 1024
/** The older binary's, which can't be set: of a head that takes more than one read of the socket. One that takes one has none. */
export const HEADER_BYTES_MAX_OLDER = 4 * 1024
/** One log line of a hit in so many milliseconds at the most, however many hits there are. */
export const HIT_LOG_EVERY_MS = 100

/** A log that nobody takes must not keep the process from starting or ending. */
export const LOG_FLUSH_MS_MAX = 500
/** After SIGTERM: how long requests that run may take to end. */
export const DRAIN_MS_MAX = 2_000
/** How long a process that an error has broken may take to end. */
export const STOP_MS_MAX = 10_000
/** What a client is told to wait after a 503, in seconds. */
export const RETRY_AFTER_S = 30

/** Readiness looks at so long a time; fewer checks in it say nothing; a larger share of 503s is a failure. */
export const HEALTH_MS = 10_000
export const HEALTH_REQUESTS_MIN = 20
export const HEALTH_UNAVAILABLE_MAX = 0.1

/** A ready answer up to so long is sent from memory that is used again. Nearly all are below 600 bytes. */
export const SENDABLE_BYTES_MAX = 2_048
/** Answers that aren't ready, kept after they were made: some 10 MiB. */
export const MADE_ANSWERS_MAX = 16_384

// Downloads

/** At once in one worker; each holds an open file and one chunk. */
export const DOWNLOADS_MAX = 1_000
/** Read from disk at a time, and so held in memory for a slow reader. */
export const DOWNLOAD_CHUNK_BYTES = 128 * 1024
/** Files in a state that isn't theirs that are remembered, lest each client has them read through. */
export const DAMAGED_FILES_MAX = 1_000

// Database

/** Connections to one replica. Two do as well as four for batched reads; the rest is for downloads and bursts. */
export const REPLICA_CONNECTIONS_MAX = 4
/** Callers that may wait for a connection to one replica. */
export const REPLICA_WAITING_MAX = 4_096
/** How long a caller waits for a connection. */
export const ACQUIRE_MS_MAX = 120
/** For so long a replica that follows a timeline which has been given up is asked after all others. */
export const FOREIGN_MS = 1_000
/** When one who waits for a connection no longer is taken off the queue too, whatever this process did meanwhile. */
export const ABANDONED_MS = 2_000
/** How long a pool that closes waits for those who use it. */
export const CLOSE_MS_MAX = 500
/** How long one statement may take on a replica while another one is left to be asked; then its connection is given up. */
export const QUERY_MS_MAX = 120
/** How long a connection may take to be made. */
export const CONNECT_MS_MAX = 100
/** Between two attempts to connect to a server that is down: doubled from the first to the second. */
export const RECONNECT_MS_MIN = 50
export const RECONNECT_MS_MAX = 1_000
/** A connection that nobody used for so long is closed. */
export const IDLE_CONNECTION_MS = 60_000
/** A cold check: all attempts at all replicas together. A client gets its 503 within 300 ms. */
export const COLD_MS_MAX = 250
/** Cold checks that may wait at once in one worker; more are shed at once. */
export const COLD_WAITING_MAX = 10_000
/** How long a start waits for the schema to be brought up to date before it looks whether it can serve without. */
export const SCHEMA_WAIT_MS = 1_500
/** How long a start waits for a database that was configured but doesn't answer. */
export const DATABASE_START_MS_MAX = 30_000

// Change feed

/** Changes read at a time: some milliseconds of work, so that clients are answered between two pages. */
export const FEED_PAGE = 1_000
/** How long reading a page may take before the replica is taken for hung. */
export const FEED_READ_MS_MAX = 300
/** How long a worker waits on its replica for the next transaction, at a time. It is in touch at least so often. */
export const FEED_WAIT_MS = 400
/** Where it can't wait: how often it asks; and how often where nothing has changed for so long. */
export const FEED_POLL_MS = 60
export const FEED_IDLE_POLL_MS = 125
export const FEED_IDLE_AFTER_MS = 5_000
/** Between two looks for a replica to follow. */
export const FEED_RETRY_MS = 250
/** A replica so late is left for one that isn't; looked for so often. */
export const LAG_MS_MAX = 3_000
export const LAG_CHECK_MS = 2_000
/** The primary's clock is written for the replicas so often. */
export const HEARTBEAT_MS = 1_000
/** What is held counts as stale when the replica has been silent for so long. An answer without a mark is no older than a second. */
export const SILENT_MS_MAX = 750
/** Changes are kept so long, in days: longer than anything lives that is judged by them. */
export const CHANGES_KEPT_DAYS = 14
/** Changes removed in one statement. */
export const PRUNE_ROWS = 2_000
export const PRUNE_EVERY_MS = 3_600_000
/** Sizes of what a worker knows of the feed, powers of two: buckets of guids (2 MiB), numbers whose tokens are known (4 MiB). */
export const TIMELINE_BUCKETS = 2 ** 18
export const TIMELINE_NUMBERS = 2 ** 18

// Writing

/** Add-ons in one transaction of an import, by default and at the most. */
export const BATCH_ADDONS = 500
export const BATCH_ADDONS_MAX = 5_000
/** Characters of lines in one transaction of an import, unless a single line is longer: a statement must fit into a packet. */
export const BATCH_CHARACTERS_MAX = 4 * 1024 * 1024
/** How often a transaction is tried again after a deadlock or a lock that took too long. */
export const WRITE_ATTEMPTS_MAX = 8
/** How long a command waits for the replicas to have its change. */
export const REPLICAS_WAIT_S_MAX = 10

// Cache tiers

/** Guids asked for in one statement. Its texts are for 1, 2, 4, … of them. */
export const BATCH_GUIDS_MAX = 128
/** Statements of batches that run at once. Two keep a replica busy as well as four. */
export const BATCHES_MAX = 2
/** Batches that are asked of memcached at once: what gathers in one turn goes out at once. */
export const SHARED_LANES = 8
/** How often it is looked whether clients have waited as long as they may. */
export const COLD_SWEEP_MS = 20
/** What has changed but could not be fetched is tried again so much later. */
export const STALE_RETRY_MS = 250
/** One question to memcached; then the replica is asked. */
export const MEMCACHED_MS_MAX = 40
/** A memcached that doesn't answer is left alone, first for the one, in the end for the other. */
export const MEMCACHED_RETRY_MS_MIN = 100
export const MEMCACHED_RETRY_MS_MAX = 5_000
/** memcached's own bound on an item is 1 MiB, with its key. */
export const MEMCACHED_VALUE_BYTES_MAX = 1_000_000
/** Values on their way to memcached; more are not stored. */
export const MEMCACHED_PENDING_BYTES_MAX = 8 * 1024 * 1024
/** How long memcached keeps an entry. Changes are known for longer. */
export const MEMCACHED_TTL_S = 86_400
/** Until changes of before the beginning are asked for again. */
export const LEARN_RETRY_MS_MIN = 500
export const LEARN_RETRY_MS_MAX = 10_000
/** A replica may be so late for a worker that has just begun to know which add-ons have changed since. */
export const LEARN_BACK_MS = 3_600_000
/** Add-ons read in one statement by a worker that begins empty: some milliseconds of work. */
export const LOAD_ADDONS = 256
export const LOAD_RETRY_MS = 500
/** A journal of so many bytes is reason for a new snapshot. */
export const JOURNAL_BYTES_MAX = 32 * 1024 * 1024
/** How often it is noted that what is held was true, and looked whether a snapshot is due. */
export const JOURNAL_MARK_MS = 2_000
/** A snapshot is not put off for longer than that where there are changes, in milliseconds. */
export const SNAPSHOT_EVERY_MS = 3_600_000
/** Snapshots kept: the last and the one before. */
export const SNAPSHOTS_KEPT = 2
/** After a start what programs before this one have left is kept for so long at the least: somebody may go back to one. */
export const OLDER_KEPT_MS = 1_800_000
/** Written and read at a time. */
export const SNAPSHOT_CHUNK_BYTES = 1024 * 1024
/** Changes under way that a snapshot can remember. */
export const SNAPSHOT_PENDING_MAX = 10_000
/** What is held is offered for so long without a replica to ask, by default, in seconds: as long as caches may (stale-if-error). */
export const SNAPSHOT_AGE_MAX_S = 259_200
/** How often it is looked whether what is held can still be believed. */
export const STANDING_MS = 50
/** How long a worker that has a snapshot waits for a replica before it serves. */
export const START_WAIT_MS = 1_000
/** How long a slice of work may keep the event loop from serving. */
export const SLICE_MS_MAX = 2
/** Entries held, by default. */
export const MEMORY_ENTRIES = 1_000_000
export const MEMORY_ENTRIES_MAX = 1_900_000
/** Reserved for each of them; used as they come. The largest of a thousand is above, the mean below 1 KiB. */
export const ENTRY_BYTES_RESERVED = 2_048
/** Reserved at least, lest the one large add-on of a small cache find no place. */
export const ARENA_BYTES_MIN = 64 * 1024 * 1024
/** Entries that may have to go for a single one. Nearly always the first few leave a piece that fits. */
export const EVICTIONS_A_PUT_MAX = 32
/** How old the index of files may be that is made while no database can be asked. */
export const FILE_INDEX_MS = 5_000
/** Guids that are known to be unknown. */
export const UNKNOWN_GUIDS_MAX = 20_000

// Import

/** One line. The largest add-on of AMO, some thousand versions with release notes, is under 2 MiB. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024
/** An update.json is read whole. */
export const MANIFEST_FILE_BYTES_MAX = 64 * 1024 * 1024
/** Different categories that one file may name: their ids are SMALLINT UNSIGNED. AMO has less than a hundred. */
export const CATEGORIES_A_FILE_MAX = 10_000
/** What may be offered of one add-on, in bytes of its row of the read model: MEDIUMTEXT holds no more. */
export const FACTS_BYTES_MAX = 16 * 1024 * 1024 - 1
/** Bad lines that are described one by one; the rest are counted. */
export const BAD_LINES_SHOWN = 100

// Packages

/** AMO's own bound on an upload. */
export const PACKAGE_BYTES_MAX = 200 * 1024 * 1024
/** Unpacked, all entries together, and one entry. Bounds what a zip bomb can cost. */
export const PACKAGE_UNPACKED_BYTES_MAX = 1024 * 1024 * 1024
export const PACKAGE_ENTRIES_MAX = 20_000
export const MANIFEST_BYTES_MAX = 1024 * 1024
/** Fetching one package: in all. */
export const FETCH_MS_MAX = 60_000
export const FETCH_REDIRECTS_MAX = 5

// Private MariaDB

/** From the start of a server to its first answer; a crash recovery may take this long. */
export const MARIADB_START_MS_MAX = 60_000
/** From SIGTERM to SIGKILL. Everything committed is on disk by then: a kill costs a recovery, not data. */
export const MARIADB_STOP_MS_MAX = 2_500
/** Longest name of a Unix socket that the kernel takes (`sun_path` less its NUL). */
export const SOCKET_PATH_BYTES_MAX = 107

// Texts (characters unless said otherwise)

export const VERSION_LENGTH_MAX = 255
export const APP_VERSION_LENGTH_MAX = 64
export const SLUG_LENGTH_MAX = 190
export const FILENAME_LENGTH_MAX = 255
export const URL_LENGTH_MAX = 2_048
export const LOCALE_LENGTH_MAX = 35
/** Of a summary, a description, release notes: one translation. */
export const PROSE_LENGTH_MAX = 200_000
/** Who does it, for the audit. */
export const ACTOR_LENGTH_MAX = 190
/** Ids that an import may give; the rest is for those that rows get by themselves. */
export const GIVEN_ID_MAX = 2 ** 31 - 1
/** What an INT UNSIGNED holds. */
export const ROW_ID_MAX = 2 ** 32 - 1
export const VERSIONS_PER_ADDON_MAX = 10_000

assert(
  CONNECT_MS_MAX <= ACQUIRE_MS_MAX,
  'a connection that is being made must be able to serve the caller it is made for',
)
assert(ACQUIRE_MS_MAX + QUERY_MS_MAX <= COLD_MS_MAX, 'one whole attempt fits into a cold check')
assert(SILENT_MS_MAX + STANDING_MS <= 800, 'an answer without a mark is no older than a second, on a busy machine too')
assert(FEED_WAIT_MS + FEED_READ_MS_MAX <= SILENT_MS_MAX, 'a replica that answers in time is not silent')
assert(COLD_MS_MAX + COLD_SWEEP_MS < 300, 'the contract wants a 503 within 300 ms')
assert(MEMCACHED_TTL_S < CHANGES_KEPT_DAYS * 86_400, 'what memcached keeps is judged by the changes since')
assert(DRAIN_MS_MAX + MARIADB_STOP_MS_MAX < 5_000, 'a stop takes less than 5 s')
