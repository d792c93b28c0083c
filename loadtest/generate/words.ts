/** What generated add-ons are called, and what is said of them: lists of words, in the order English, German, French, Japanese. */

import type { AddonType } from '../../service/addon/index.ts'

export const locales = ['en-US', 'de', 'fr', 'ja'] as const
export type Locale = (typeof locales)[number]

/** A text by locale; English is always there. */
export type Texts = { 'en-US': string } & Partial<Record<Locale, string>>
/** A text in every locale, in their order. */
export type Row = readonly [en: string, de: string, fr: string, ja: string]

/** Brands are made of two of these. They have no digits, so that what a number is put behind stays unique. */
export const brandHeads: readonly string[] = (
  'Lumi Zen Quick Pixel Cloud Nova Swift Echo Hyper Tiny Clear Open Blue Smart Deep Easy Fox Iron ' + 'Silver Super'
).split(' ')
export const brandTails: readonly string[] =
  'to ra flow mark view nest box wave desk light hub ly zilla craft shift pad'.split(' ')

const purposes: readonly Row[] = [
  ['Tab Manager', 'Tab-Verwaltung', "Gestionnaire d'onglets", 'タブマネージャー'],
  ['Ad Blocker', 'Werbeblocker', 'Bloqueur de publicité', '広告ブロッカー'],
  ['Dark Mode', 'Dunkelmodus', 'Mode sombre', 'ダークモード'],
  ['Screenshot', 'Bildschirmfoto', "Capture d'écran", 'スクリーンショット'],
  ['Password Keeper', 'Passwort-Tresor', 'Coffre de mots de passe', 'パスワード管理'],
  ['Video Downloader', 'Video-Downloader', 'Téléchargeur de vidéos', '動画ダウンローダー'],
  ['Translator', 'Übersetzer', 'Traducteur', '翻訳'],
  ['Feed Reader', 'Feedreader', 'Lecteur de flux', 'フィードリーダー'],
  ['Cookie Cleaner', 'Cookie-Putzer', 'Nettoyeur de cookies', 'クッキー削除'],
  ['Price Watch', 'Preiswächter', 'Alerte prix', '価格チェック'],
  ['Bookmark Search', 'Lesezeichensuche', 'Recherche de marque-pages', 'ブックマーク検索'],
  ['Page Notes', 'Seitennotizen', 'Notes de page', 'ページメモ'],
  ['Gestures', 'Mausgesten', 'Gestes', 'ジェスチャー'],
  ['User Agent Switcher', 'User-Agent-Umschalter', "Sélecteur d'agent", 'ユーザーエージェント切替'],
  ['JSON Viewer', 'JSON-Betrachter', 'Visionneuse JSON', 'JSONビューアー'],
  ['Mail Notifier', 'Mail-Melder', 'Alerte courriel', 'メール通知'],
  ['New Tab', 'Neuer Tab', 'Nouvel onglet', '新しいタブ'],
  ['Tracker Shield', 'Tracker-Schutz', 'Bouclier anti-pistage', 'トラッカー対策'],
  ['Image Zoom', 'Bildzoom', "Zoom d'image", '画像ズーム'],
  ['Reading List', 'Leseliste', 'Liste de lecture', 'リーディングリスト'],
  ['Color Picker', 'Farbwähler', 'Pipette', 'カラーピッカー'],
  ['Session Saver', 'Sitzungssicherung', 'Sauvegarde de session', 'セッション保存'],
  ['Link Checker', 'Linkprüfer', 'Vérificateur de liens', 'リンクチェッカー'],
  ['Sidebar', 'Seitenleiste', 'Panneau latéral', 'サイドバー'],
]

const themePurposes: readonly Row[] = [
  ['Theme', 'Theme', 'Thème', 'テーマ'],
  ['Dark Theme', 'Dunkles Theme', 'Thème sombre', 'ダークテーマ'],
  ['Night Sky', 'Nachthimmel', 'Ciel nocturne', '夜空'],
  ['Autumn Forest', 'Herbstwald', "Forêt d'automne", '秋の森'],
  ['Gradient', 'Farbverlauf', 'Dégradé', 'グラデーション'],
  ['Minimal', 'Minimal', 'Minimal', 'ミニマル'],
]

const dictionaryPurposes: readonly Row[] = [['Dictionary', 'Wörterbuch', 'Dictionnaire', '辞書']]
const langpackPurposes: readonly Row[] = [['Language Pack', 'Sprachpaket', 'Paquet linguistique', '言語パック']]

export const summaries: readonly Row[] = [
  [
    'Small, fast and without tracking.',
    'Klein, schnell und ohne Tracking.',
    'Petit, rapide et sans pistage.',
    '小さく速く、追跡しません。',
  ],
  [
    'Does one thing and does it well.',
    'Kann eines, und das gut.',
    'Ne fait qu’une chose, mais bien.',
    '一つのことを確実に。',
  ],
  [
    'Saves you a click on every page, on every site, every day.',
    'Spart auf jeder Seite einen Klick.',
    'Un clic de moins sur chaque page.',
    'どのページでもクリックを一つ減らします。',
  ],
  [
    'Works right in the toolbar; no account is needed.',
    'Arbeitet in der Symbolleiste, ganz ohne Konto.',
    'Dans la barre d’outils, sans compte.',
    'ツールバーから使えます。アカウント不要。',
  ],
  [
    'Keeps things tidy & out of your way.',
    'Hält Ordnung & stört nicht.',
    'Range tout & se fait oublier.',
    'すっきり整理、邪魔になりません。',
  ],
  [
    'The one that "just works", now with keyboard shortcuts.',
    'Läuft „einfach so“, jetzt mit Tastenkürzeln.',
    'Simple, et avec des raccourcis clavier.',
    'すぐ使えて、ショートカットにも対応。',
  ],
]

/** Descriptions and release notes are made of these. */
export const sentences: readonly string[] = [
  'Open the panel with the toolbar button, or with Ctrl+Shift+Y.',
  'All data stays on your computer.',
  'Settings are kept in sync between your devices, where you allow it.',
  'It needs access to all sites, since it changes how pages look.',
  'Right-click a link to see what else it can do.',
  'The source is free; patches are welcome.',
  'If something breaks, please write to us before you leave a bad review.',
  'Translated into eleven languages by volunteers.',
  'Private windows are left alone unless you say otherwise.',
  'Lists are refreshed once a day.',
]

export const changes: readonly (readonly [en: string, de: string])[] = [
  ['Fixed a crash at startup.', 'Absturz beim Start behoben.'],
  ['Works with the newest Firefox again.', 'Läuft wieder mit dem neuesten Firefox.'],
  ['Less memory with hundreds of tabs.', 'Weniger Speicher bei Hunderten von Tabs.'],
  ['New: a dark options page.', 'Neu: dunkle Einstellungsseite.'],
  ['Updated translations.', 'Übersetzungen aktualisiert.'],
  ['The popup no longer flickers.', 'Das Popup flackert nicht mehr.'],
  ['Permissions are asked for when they are needed, not before.', 'Berechtigungen werden erst bei Bedarf erfragt.'],
]

/** The likely ones first. */
export const tags: readonly string[] = (
  'privacy, tabs, dark mode, youtube, ad blocker, download, security, productivity, search, translate, ' +
  'bookmarks, password manager, social media, shopping, rss, sidebar, screenshot, developer, css, ' +
  'mouse, video, music, reader, proxy, anti tracker, container, theme, game, weather, mail'
).split(', ')

/** Those of the schema's first migration. */
export const categories: readonly string[] = (
  'alerts-updates appearance bookmarks download-management feeds-news-blogging games-entertainment ' +
  'language-support photos-music-videos privacy-security shopping social-communication tabs ' +
  'web-development other'
).split(' ')

export const firstNames: readonly string[] = (
  'Ann Ben Chiara Dmitri Elif François Grace Hiro Ines Jörg Kofi Lena Mateo Noor Olga Pavel Quynh Rosa ' +
  'Sven Tomás 美咲 Uma Viktor Wei'
).split(' ')
export const lastNames: readonly string[] = (
  'Archer Baum Costa Dubois Eriksen Fischer García Haas Ivanova Jensen Kowalski Lindqvist Müller ' +
  "Nakamura O'Brien Petrov Quist Rossi Schmidt Tanaka Usman Varga Weiss Young"
).split(' ')

export const targetLocales: readonly string[] = 'de fr ja es pt-BR ru pl nl sv-SE zh-CN tr cs uk eo ca'.split(' ')

/** What an add-on of a type can be for, a row of locales each. */
export function purposesOf(type: AddonType): readonly Row[] {
  if (type === 'theme') return themePurposes
  if (type === 'dictionary') return dictionaryPurposes
  if (type === 'langpack' || type === 'langpack-addon') return langpackPurposes
  return purposes
}
