/**
 * A real Firefox: headless, on a profile of its own, with every address of addons.mozilla.org that it ships replaced by the same
 * one on our server. Nothing else can be reached: all other hosts are asked through a proxy of ours, which notes what was
 * wanted and hangs up. Driven over Marionette from its privileged context.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { connectMarionette, type Marionette } from './marionette.ts'
import { makeFolder } from './stack.ts'

export interface FirefoxOptions {
  /** Of our server, without a slash at its end. */
  readonly url: string
  /** On top of the ones below. */
  readonly prefs?: Readonly<Record<string, Pref>>
  /** The content of its policies.json: what the administrator of a computer decrees. */
  readonly policies?: object
}

export interface Firefox {
  /** Installs a package for good, as a user does from a file; resolves with its id. */
  installAddon(path: string): Promise<string>
  /** Null where it isn't installed. */
  addon(id: string): Promise<InstalledAddon | null>
  /** `user`: "Check for Updates" of about:addons; `periodic`: what the daily check does for each add-on, without installing. */
  checkForUpdate(id: string, reason: 'user' | 'periodic'): Promise<UpdateCheck>
  /** Installs what the last check of the add-on found. */
  applyUpdate(id: string): Promise<UpdateEnd>
  /** The daily check, from what its timer calls to the end of every installation that it began. */
  backgroundUpdate(): Promise<readonly UpdateEnd[]>
  /** Has it trust a certificate authority, as an administrator does. */
  trust(caPem: string): Promise<void>
  setPref(name: string, value: Pref): Promise<void>
  /** Every HTTP answer that it got since its start, from whomever. */
  answers(): Promise<readonly Answer[]>
  /** What it wanted of anybody else, a request line each. Nobody answered. */
  readonly refused: readonly string[]
}

export interface InstalledAddon {
  readonly version: string
  readonly isActive: boolean
}

export interface UpdateCheck {
  /** What is offered; null: nothing. */
  readonly version: string | null
  /** `NO_ERROR`, `DOWNLOAD_ERROR`, `PARSE_ERROR`, … */
  readonly status: string
}

export interface UpdateEnd {
  readonly id: string
  /** What was to be installed. */
  readonly version: string
  /** By name, such as `ERROR_INCORRECT_HASH`; null: it is installed. */
  readonly error: string | null
}

export interface Answer {
  readonly url: string
  readonly status: number
}

export type Pref = string | number | boolean

const START_MS_MAX = 60_000
const STOP_MS_MAX = 10_000

/** Only the address differs from what Firefox ships: the path and the query are its own. */
const AMO_PREFS = [
  'extensions.update.url',
  'extensions.update.background.url',
  'extensions.getAddons.get.url',
  'extensions.getAddons.discovery.api_url',
  'extensions.getAddons.langpacks.url',
  'extensions.getAddons.browserMappings.url',
  'extensions.getAddons.search.browseURL',
  'extensions.getAddons.link.url',
  'extensions.abuseReport.amoFormURL',
  'extensions.addonAbuseReport.url',
  'extensions.blocklist.addonItemURL',
  'lightweightThemes.getMoreURL',
  'browser.dictionaries.download.url',
  'browser.search.searchEnginesURL',
]

/** What isn't about add-ons is off. Marionette turns off much more (`RecommendedPreferences.sys.mjs`), but later in the start. */
const PREFS: Readonly<Record<string, Pref>> = {
  'marionette.port': 0, // any free one, which it writes into the profile
  'xpinstall.signatures.required': false,
  'extensions.update.enabled': true, // off where Marionette has its way
  'extensions.update.autoUpdateDefault': true,
  'extensions.getAddons.cache.enabled': true, // off where Marionette has its way: about:addons and daily checks ask for metadata
  'extensions.systemAddon.update.enabled': false,
  'extensions.blocklist.enabled': false,
  'extensions.recommendations.hideNotice': true,
  'media.gmp-provider.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'app.update.disabledForTesting': true,
  'app.normandy.enabled': false,
  'app.normandy.api_url': '',
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'security.remote_settings.crlite_filters.enabled': false,
  'security.remote_settings.intermediates.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.trr.mode': 5,
  'network.dns.disablePrefetch': true,
  'network.prefetch-next': false,
  'network.http.speculative-parallel-limit': 0,
  'dom.push.connection.enabled': false,
  'browser.region.network.url': '',
  'browser.region.update.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.blockedURIs.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'browser.search.update': false,
  'browser.topsites.contile.enabled': false,
  'browser.newtabpage.enabled': false,
  'browser.newtabpage.activity-stream.feeds.system.topstories': false,
  'browser.aboutwelcome.enabled': false,
  'browser.startup.page': 0,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.shell.checkDefaultBrowser': false,
  'browser.ml.enable': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.usage.uploadEnabled': false,
  'toolkit.telemetry.enabled': false,
  'toolkit.telemetry.unified': false,
  'toolkit.telemetry.server': '',
  'termsofuse.bypassNotification': true,
}

/** Without `failover_direct` its own requests would go around a proxy that hangs up. */
const proxyPrefs = (port: number): Readonly<Record<string, Pref>> => ({
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': port,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': port,
  'network.proxy.no_proxies_on': '127.0.0.1, localhost',
  'network.proxy.failover_direct': false,
  'network.proxy.allow_bypass': false,
})

/**
 * Runs once, within Firefox; later scripts find `harness` where it was left. Findings of a check are kept here, since an
 * installation is an object that can't leave Firefox.
 */
const HARNESS = String.raw`
const { AddonManager } = ChromeUtils.importESModule('resource://gre/modules/AddonManager.sys.mjs')
const found = new Map()
const answers = []
const statuses = Object.keys(AddonManager).filter(name => name.startsWith('UPDATE_STATUS_'))

Services.obs.addObserver(subject => {
  const channel = subject.QueryInterface(Ci.nsIHttpChannel)
  answers.push({ url: channel.URI.spec, status: channel.responseStatus })
}, 'http-on-examine-response')

const endOf = ({ existingAddon, addon, version, error }) =>
  ({ id: (existingAddon ?? addon)?.id ?? null, version, error: AddonManager.errorToString(error) ?? null })

// An install's state after it ended; without an error where somebody called it off.
const listenerOf = onEnd => ({
  onInstallEnded: install => onEnd(endOf(install)),
  onInstallFailed: install => onEnd(endOf(install)),
  onDownloadFailed: install => onEnd(endOf(install)),
  onInstallCancelled: install => onEnd({ ...endOf(install), error: 'cancelled' }),
  onDownloadCancelled: install => onEnd({ ...endOf(install), error: 'cancelled' }),
  onInstallPostponed: install => onEnd({ ...endOf(install), error: 'postponed' }),
})

const ended = install => new Promise(resolve => {
  install.addListener(listenerOf(resolve))
  install.install()
})

globalThis.harness = {
  answers: () => answers,

  setPref(name, value) {
    if (typeof value === 'string') Services.prefs.setStringPref(name, value)
    else if (typeof value === 'number') Services.prefs.setIntPref(name, value)
    else Services.prefs.setBoolPref(name, value)
  },

  redirect(names, url) {
    for (const name of names) {
      const shipped = Services.prefs.getDefaultBranch('').getStringPref(name, '')
      if (shipped !== '') Services.prefs.setStringPref(name, shipped.replace(/^https:\/\/[^/]+/, url))
    }
  },

  trust(certificate) {
    const database = Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB)
    database.addCertFromBase64(certificate, 'C,,')
  },

  async install(path) {
    const file = Cc['@mozilla.org/file/local;1'].createInstance(Ci.nsIFile)
    file.initWithPath(path)
    const install = await AddonManager.getInstallForFile(file)
    if (install.error !== 0) throw new Error(path + ': ' + AddonManager.errorToString(install.error))
    const { error } = await ended(install)
    if (error !== null) throw new Error(path + ': ' + error)
    return install.addon.id
  },

  async addon(id) {
    const addon = await AddonManager.getAddonByID(id)
    return addon && { version: addon.version, isActive: addon.isActive }
  },

  async check(id, reason) {
    const addon = await AddonManager.getAddonByID(id)
    if (!addon) throw new Error(id + ' is not installed')
    found.delete(id)
    return await new Promise(resolve => {
      let version = null
      addon.findUpdates({
        onUpdateAvailable(_, install) {
          found.set(id, install)
          version = install.version
        },
        onNoUpdateAvailable() {},
        onUpdateFinished(_, code) {
          const status = statuses.find(name => AddonManager[name] === code) ?? String(code)
          resolve({ version, status: status.replace('UPDATE_STATUS_', '') })
        },
      }, reason === 'user' ? AddonManager.UPDATE_WHEN_USER_REQUESTED : AddonManager.UPDATE_WHEN_PERIODIC_UPDATE)
    })
  },

  async apply(id) {
    const install = found.get(id)
    if (!install) throw new Error('no check has found an update of ' + id)
    found.delete(id)
    return await ended(install)
  },

  async background() {
    const begun = new Set()
    const ends = []
    let checked = false
    await new Promise(resolve => {
      const settle = () => {
        if (!checked || ends.length < [...begun].filter(({ state }) => state !== AddonManager.STATE_AVAILABLE).length) return
        AddonManager.removeInstallListener(listener)
        Services.obs.removeObserver(onChecked, 'addons-background-update-complete')
        resolve()
      }
      const listener = {
        ...listenerOf(end => {
          ends.push(end)
          settle()
        }),
        onNewInstall: install => begun.add(install),
      }
      const onChecked = () => {
        checked = true
        settle()
      }
      AddonManager.addInstallListener(listener)
      Services.obs.addObserver(onChecked, 'addons-background-update-complete')
      Cc['@mozilla.org/addons/integration;1'].getService(Ci.nsITimerCallback).notify(null)
    })
    return ends
  },
}`

/** Starts it; it ends with the test, and with the process that runs the test however that ends. */
export async function startFirefox(
  t: Pick<Test, 'teardown'>,
  { url, prefs = {}, policies }: FirefoxOptions,
): Promise<Firefox> {
  const folder = await makeFolder(t)
  const program = policies === undefined ? 'firefox-esr' : await installWith(policies, await makeFolder(t))
  const refused: string[] = []
  const outside = await openOutside(refused)
  t.teardown(() => outside.close())
  const { port } = outside.address() as AddressInfo
  const lines = Object.entries({ ...PREFS, ...proxyPrefs(port), ...prefs }).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  )
  await writeFile(join(folder, 'user.js'), lines)

  const launched = launch(program, folder)
  let marionette: Marionette | undefined
  t.teardown(() => stop(launched, marionette))
  marionette = await connectMarionette(await portOf(folder, launched))
  const { run } = marionette
  await run(HARNESS)
  const call = <Result>(name: string, ...args: readonly unknown[]) =>
    run<Result>(`return harness.${name}(...arguments)`, ...args)
  await call('redirect', AMO_PREFS, url)

  return {
    installAddon: (path) => call('install', path),
    addon: (id) => call('addon', id),
    checkForUpdate: (id, reason) => call('check', id, reason),
    applyUpdate: (id) => call('apply', id),
    backgroundUpdate: () => call('background'),
    trust: (caPem) => call('trust', caPem.replaceAll(/-----.*?-----|\s/g, '')),
    setPref: (name, value) => call('setPref', name, value),
    answers: () => call('answers'),
    refused,
  }
}

/** The rest of the world: notes the first line of what is wanted, and hangs up. */
async function openOutside(refused: string[]): Promise<Server> {
  const server = createServer((socket) => {
    socket.once('data', (data) => {
      refused.push(data.toString('latin1').split('\r\n', 1)[0] as string)
      socket.destroy()
    })
    socket.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

interface Launched {
  readonly child: ChildProcess
  /** Resolves with how it ended, and the end of what it printed. */
  readonly ended: Promise<string>
}

/** Firefox reads its policies beside its program: an installation of links, with a program and policies of its own. */
async function installWith(policies: object, folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', 'readlink -f "$(command -v firefox-esr)"'])
  const program = stdout.trim()
  const installed = dirname(program)
  for (const name of await readdir(installed)) {
    if (name !== 'distribution' && name !== basename(program)) await symlink(join(installed, name), join(folder, name))
  }
  await copyFile(program, join(folder, basename(program)))
  await mkdir(join(folder, 'distribution'))
  await writeFile(join(folder, 'distribution', 'policies.json'), JSON.stringify(policies))
  return join(folder, basename(program))
}

function launch(program: string, folder: string): Launched {
  const browser = [
    program,
    '--headless',
    '-no-remote',
    '--profile',
    folder,
    '--marionette',
    '-remote-allow-system-access',
  ]
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...browser, 'about:blank'], {
    env: {
      PATH: process.env.PATH,
      HOME: folder, // nothing of the user's may be seen or changed
      TMPDIR: folder,
      LANG: 'C.UTF-8',
      MOZ_CRASHREPORTER_DISABLE: '1',
      // What gets around the proxy ends Firefox. Without it Remote Settings are fetched from Mozilla, whatever the pref says.
      MOZ_DISABLE_NONLOCAL_CONNECTIONS: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output = `${output}${chunk}`.slice(-4_000)
    })
  }
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`))
    child.once('close', (code, signal) => resolve(`ended with ${code ?? signal}:\n${output}`))
  })
  return { child, ended }
}

/** Where Marionette listens, once it does. */
async function portOf(folder: string, { ended }: Launched): Promise<number> {
  let end: string | undefined
  void ended.then((how) => {
    end = how
  })
  const giveUpAt = Date.now() + START_MS_MAX
  while (Date.now() < giveUpAt) {
    if (end !== undefined) throw new Error(`firefox-esr ${end}`)
    const text = await readFile(join(folder, 'MarionetteActivePort'), 'utf8').catch(() => '')
    if (text !== '') return Number(text)
    await sleep(50)
  }
  throw new Error(`firefox-esr doesn't listen within ${START_MS_MAX} ms`)
}

async function stop({ child, ended }: Launched, marionette: Marionette | undefined): Promise<void> {
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
  // A Firefox that can't be told is killed.
  await marionette?.quit().catch(() => child.kill('SIGKILL'))
  if (marionette === undefined) child.kill('SIGKILL')
  await ended
  clearTimeout(killer)
  marionette?.close()
}
