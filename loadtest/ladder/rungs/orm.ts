#!/usr/bin/env node
/** Rung 1, `orm`: a framework with an ORM, and whatever a check needs is loaded when it is needed. The talk's v1. */

import { answer, BAD_REQUEST, suits, UNKNOWN_ADDON } from './shared/check.ts'
import { serveWithFramework } from './shared/framework.ts'
import { Addon, Application, offeredOf, openModels } from './shared/models.ts'

openModels()

await serveWithFramework(async (asked) => {
  const application = await Application.findOne({ where: { guid: asked.appId } })
  if (application === null) return BAD_REQUEST
  const addon = await Addon.findOne({ where: { guid: asked.id } })
  if (addon === null || addon.disabledByUser || ['disabled', 'deleted'].includes(addon.status)) return UNKNOWN_ADDON
  const versions = await addon.getVersions({ where: { channel: 'listed', deleted: false }, order: [['id', 'DESC']] })
  for (const version of versions) {
    const file = await version.getFile()
    if (file?.status !== 'approved') continue
    const [range] = await version.getRanges({ where: { applicationId: application.id } })
    if (range === undefined) continue
    const bounds = { min: range.minPacked, max: range.maxPacked, strict: file.strictCompatibility }
    if (suits(asked, bounds)) return answer(asked, application.name, offeredOf(addon, version, file, range))
  }
  return answer(asked, application.name, undefined)
})
