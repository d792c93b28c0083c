/** Every bound, with its unit and its reason. Relations between them are asserted at the end. */

import { strict as assert } from 'node:assert'

// HTTP

/** Line and headers of a request. A check of a real Firefox is under 1 KiB; 16 KiB of query must still get an answer. */
export const HEADER_BYTES_MAX = 32 * 1024
/** One log line of a hit in so many milliseconds at the most, however many hits there are. */
export const HIT_LOG_EVERY_MS = 100
/** After SIGTERM: how long requests that run may take to end. */
export const DRAIN_MS_MAX = 2_000
/** What a client is told to wait after a 503, in seconds. */
export const RETRY_AFTER_S = 30

// Downloads

/** At once in one worker; each holds an open file and one chunk. */
export const DOWNLOADS_MAX = 1_000
/** Read from disk at a time, and so held in memory for a slow reader. */
export const DOWNLOAD_CHUNK_BYTES = 128 * 1024

// Database

/** Connections to one replica. Two do as well as four for batched reads; the rest is for downloads and bursts. */
export const REPLICA_CONNECTIONS_MAX = 4
/** Callers that may wait for a connection to one replica. */
export const REPLICA_WAITING_MAX = 4_096
/** How long a caller waits for a connection. */
export const ACQUIRE_MS_MAX = 120
/** How long one statement may take on a replica before its connection is given up. */
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
/** The applications are read again so often. */
export const APPLICATIONS_EVERY_MS = 1_000
/** How long a start waits for a database that was configured but doesn't answer. */
export const DATABASE_START_MS_MAX = 30_000

// Writing

/** Add-ons in one transaction of an import, by default and at the most. */
export const BATCH_ADDONS = 500
export const BATCH_ADDONS_MAX = 5_000
/** How often a transaction is tried again after a deadlock or a lock that took too long. */
export const WRITE_ATTEMPTS_MAX = 8
/** How long a command waits for the replicas to have its change. */
export const REPLICAS_WAIT_S_MAX = 10

// Import

/** One line. The largest add-on of AMO, some thousand versions with release notes, is under 2 MiB. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024
/** An update.json is read whole. */
export const MANIFEST_FILE_BYTES_MAX = 64 * 1024 * 1024
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
assert(COLD_MS_MAX < 300, 'the contract wants a 503 within 300 ms')
assert(DRAIN_MS_MAX + MARIADB_STOP_MS_MAX < 5_000, 'a stop takes less than 5 s')
