#!/usr/bin/env node
/** Rung 2, `orm-eager`: the same with as few queries as the ORM can: the application, and the add-on with the version that suits. The talk's v2. */

import { Op } from 'sequelize'
import { answer, BAD_REQUEST, UNKNOWN_ADDON } from './shared/check.ts'
import { serveWithFramework } from './shared/framework.ts'
import { Addon, Application, Compatibility, File, offeredOf, openModels, Version } from './shared/models.ts'

openModels()

await serveWithFramework(async (asked) => {
  const { appId, id, packed, maxOfAny, maxOfStrict } = asked
  const application = await Application.findOne({ where: { guid: appId } })
  if (application === null) return BAD_REQUEST
  const addon = await Addon.findOne({
    attributes: ['id', 'slug'],
    where: { guid: id, disabledByUser: false, status: { [Op.notIn]: ['disabled', 'deleted'] } },
    include: {
      model: Version,
      as: 'versions',
      attributes: ['id', 'version', 'releaseNotes'],
      required: false,
      where: { channel: 'listed', deleted: false },
      include: [
        {
          model: File,
          as: 'file',
          attributes: ['id', 'filename', 'strictCompatibility', 'hash', 'url'],
          required: true,
          where: { status: 'approved' },
        },
        {
          model: Compatibility,
          as: 'ranges',
          attributes: ['versionId', 'min', 'max'],
          required: true,
          where: {
            applicationId: application.id,
            minPacked: { [Op.lte]: packed },
            maxPacked: { [Op.gte]: maxOfAny },
            [Op.or]: [{ '$versions.file.strict_compatibility$': false }, { maxPacked: { [Op.gte]: maxOfStrict } }],
          },
        },
      ],
    },
  })
  if (addon === null) return UNKNOWN_ADDON
  // Not sorted by the database: with the release notes that would take a temporary table on disk (200 of 550 us).
  const [version] = (addon.versions ?? []).toSorted((one, other) => other.id - one.id)
  const [range] = version?.ranges ?? []
  const offered = version?.file && range && offeredOf(addon, version, version.file, range)
  return answer(asked, application.name, offered)
})
