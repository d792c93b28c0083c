<?php
// Rung 0, `php`: one script with one query; a connection that PHP keeps from one request to the next.

declare(strict_types=1);

/** The version as an integer: docs/architecture.md, service/addon/app-version.ts. */
function packed(string $text): int
{
    preg_match('/^(?:(\d+|\*)(?:\.(\d+|\*)(?:\.(\d+|\*)(?:\.(\d+|\*))?)?)?(?:([ab])(\d*))?(?:(pre)(\d?))?)?/', $text, $found);
    $parts = [];
    $absent = 0;
    foreach ([65535, 99, 99, 99] as $index => $max) {
        $part = $found[$index + 1] ?? '';
        if ($part !== '') {
            $absent = $part === '*' ? 1 : 0;
        }
        $value = $part === '*' || ($part === '' && $absent === 1) ? $max : (int) $part;
        $parts[] = min($value, $max);
    }
    [$major, $minor1, $minor2, $minor3] = $parts;
    $letter = ['a' => 0, 'b' => 1][$found[5] ?? ''] ?? 2;
    $number = min((int) ($found[6] ?? ''), 99);
    $isRelease = ($found[7] ?? '') === '' ? 1 : 0;
    $low = $minor3 * 1000000 + $letter * 100000 + $number * 1000 + $isRelease * 100 + (int) ($found[8] ?? '');
    return ($major * 10000 + $minor1 * 100 + $minor2) * 100000000 + $low;
}

function send(int $status, array|object $body): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: max-age=3600');
    exit(json_encode($body, JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR));
}

function segment(string $text): string
{
    return strtr(rawurlencode($text), [
        '%24' => '$', '%26' => '&', '%2B' => '+', '%2C' => ',', '%3B' => ';', '%3D' => '=', '%3A' => ':', '%40' => '@',
    ]);
}

function given(string $name): string
{
    $value = $_GET[$name] ?? '';
    return is_string($value) ? $value : '';
}

$id = given('id');
$appId = given('appID');
$appVersion = given('appVersion');
if (trim($id) === '' || trim($appId) === '' || trim($appVersion) === '') {
    send(400, (object) []);
}
$mode = isset($_GET['compatMode']) ? given('compatMode') : 'strict';
$packed = packed($appVersion);

$database = new PDO(
    'mysql:unix_socket=' . getenv('DATABASE_SOCKET') . ';dbname=' . getenv('DATABASE_NAME') . ';charset=utf8mb4',
    getenv('DATABASE_USER'),
    getenv('DATABASE_PASSWORD'),
    [PDO::ATTR_PERSISTENT => true, PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC],
);
// Without a row nobody knows the application; without an add-on in it nobody knows that; without a version nothing suits.
$statement = $database->prepare("
    SELECT
      p.name AS application, a.id AS addon_id, a.slug,
      v.version, v.release_notes IS NOT NULL AS has_release_notes,
      c.min, c.max,
      f.id AS file_id, f.filename, f.strict_compatibility, f.hash, f.url
    FROM applications AS p
    LEFT JOIN addons AS a
      ON a.guid = :id AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted')
    LEFT JOIN (
      versions AS v
      JOIN files AS f ON f.version_id = v.id AND f.status = 'approved'
      JOIN compatibility AS c ON c.version_id = v.id
    ) ON v.addon_id = a.id AND v.channel = 'listed' AND v.deleted = FALSE
      AND c.application_id = p.id
      AND c.min_packed <= :packed
      AND c.max_packed >= :max_of_any
      AND (f.strict_compatibility = FALSE OR c.max_packed >= :max_of_strict)
    WHERE p.guid = :app_id
    ORDER BY v.id DESC
    LIMIT 1");
$statement->bindValue('id', $id);
$statement->bindValue('app_id', $appId);
$statement->bindValue('packed', $packed, PDO::PARAM_INT);
$statement->bindValue('max_of_any', $mode === 'strict' ? $packed : 0, PDO::PARAM_INT);
$statement->bindValue('max_of_strict', $mode === 'strict' || $mode === 'normal' ? $packed : 0, PDO::PARAM_INT);
$statement->execute();
$row = $statement->fetch();

if ($row === false) {
    send(400, (object) []);
}
if ($row['addon_id'] === null) {
    send(200, (object) []);
}
$updates = [];
if ($row['version'] !== null) {
    $site = getenv('SITE_URL');
    $application = $row['application'];
    $gecko = ['strict_min_version' => $row['min']];
    if ($row['strict_compatibility']) {
        $gecko['strict_max_version'] = $row['max'];
    }
    $update = [
        'version' => $row['version'],
        'update_link' => $row['url']
            ?? "$site/$application/downloads/file/{$row['file_id']}/" . segment($row['filename']),
        'applications' => ['gecko' => $gecko],
    ];
    if ($row['hash']) {
        $update['update_hash'] = $row['hash'];
    }
    if ($row['has_release_notes']) {
        $update['update_info_url'] = "$site/%APP_LOCALE%/$application/addon/" . rawurlencode($row['slug'])
            . '/versions/' . segment($row['version']) . '/updateinfo/';
    }
    $updates[] = $update;
}
send(200, ['addons' => (object) [$id => ['updates' => $updates]]]);
