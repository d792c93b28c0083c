/** The catalogue's tables as models of an ordinary ORM: Sequelize, over the same driver that the other rungs use. */

import {
  type Association,
  DataTypes,
  type HasManyGetAssociationsMixin,
  type HasOneGetAssociationMixin,
  type InferAttributes,
  Model,
  Sequelize,
} from 'sequelize'
import { databasePlace, POOL_SIZE } from './environment.ts'

export class Application extends Model<InferAttributes<Application>> {
  declare id: number
  declare guid: string
  declare name: string
}

export class Addon extends Model<InferAttributes<Addon>> {
  declare static associations: { versions: Association<Addon, Version> }
  declare id: number
  declare guid: string
  declare slug: string
  declare status: string
  declare disabledByUser: boolean
  declare getVersions: HasManyGetAssociationsMixin<Version>
  declare readonly versions?: readonly Version[]
}

export class Version extends Model<InferAttributes<Version>> {
  declare id: number
  declare addonId: number
  declare version: string
  declare channel: string
  declare deleted: boolean
  declare releaseNotes: string | null
  declare getFile: HasOneGetAssociationMixin<File | null>
  declare getRanges: HasManyGetAssociationsMixin<Compatibility>
  declare readonly file?: File
  declare readonly ranges?: readonly Compatibility[]
}

export class File extends Model<InferAttributes<File>> {
  declare id: number
  declare versionId: number
  declare status: string
  declare hash: string | null
  declare filename: string
  declare strictCompatibility: boolean
  declare url: string | null
}

export class Compatibility extends Model<InferAttributes<Compatibility>> {
  declare versionId: number
  declare applicationId: number
  declare min: string
  declare max: string
  /** Decimal where it passes 2^53. */
  declare minPacked: string | number
  declare maxPacked: string | number
}

/** Connects them to the database, with the ORM's own pool. */
export function openModels(): void {
  const { database, user, password, socketPath } = databasePlace()
  const sequelize = new Sequelize(database, user, password, {
    dialect: 'mysql',
    dialectOptions: { socketPath },
    pool: { max: POOL_SIZE, min: POOL_SIZE },
    logging: false,
    define: { timestamps: false, underscored: true },
  })
  const { BIGINT, BOOLEAN, INTEGER, STRING, TEXT } = DataTypes
  // Sequelize writes into what it is given, so that none is given twice.
  const key = () => ({ type: INTEGER.UNSIGNED, primaryKey: true })
  const text = STRING(255)
  const guid = () => ({ type: text, unique: true })

  Application.init({ id: key(), guid: guid(), name: text }, { sequelize, tableName: 'applications' })
  Addon.init(
    { id: key(), guid: guid(), slug: text, status: text, disabledByUser: BOOLEAN },
    { sequelize, modelName: 'addon', tableName: 'addons' },
  )
  Version.init(
    { id: key(), addonId: INTEGER.UNSIGNED, version: text, channel: text, deleted: BOOLEAN, releaseNotes: TEXT },
    { sequelize, modelName: 'version', tableName: 'versions' },
  )
  File.init(
    {
      id: key(),
      versionId: INTEGER.UNSIGNED,
      status: text,
      hash: text,
      filename: text,
      strictCompatibility: BOOLEAN,
      url: text,
    },
    { sequelize, modelName: 'file', tableName: 'files' },
  )
  Compatibility.init(
    {
      versionId: key(),
      applicationId: key(),
      min: text,
      max: text,
      minPacked: BIGINT.UNSIGNED,
      maxPacked: BIGINT.UNSIGNED,
    },
    { sequelize, modelName: 'range', tableName: 'compatibility' },
  )
  Addon.hasMany(Version, { as: 'versions', foreignKey: 'addonId' })
  Version.hasOne(File, { as: 'file', foreignKey: 'versionId' })
  Version.hasMany(Compatibility, { as: 'ranges', foreignKey: 'versionId' })
}

/** What a client is told of one of its versions. */
export function offeredOf(addon: Addon, version: Version, file: File, range: Compatibility) {
  return {
    slug: addon.slug,
    version: version.version,
    hasReleaseNotes: version.releaseNotes !== null,
    min: range.min,
    max: range.max,
    fileId: file.id,
    filename: file.filename,
    strict: file.strictCompatibility,
    hash: file.hash,
    url: file.url,
  }
}
