// Which npm package carries SwiftShader, and the checksums of its files.

/** The package of the npm registry that contains SwiftShader, and what is kept of it. */
export interface SwiftShaderSource {
  readonly spec: string
  /** The integrity of the archive, as in the registry and package-lock.json. */
  readonly integrity: string
  /** The bundle in the archive, and the SHA-256 of each file kept from it. */
  readonly bundle: string
  readonly files: Readonly<Record<string, string>>
}

export const SWIFTSHADER: SwiftShaderSource = {
  spec: '@sparticuz/chromium@147.0.2',
  integrity: 'sha512-oqXyPAlGQuT9wdZAhcx4nmhehVgEsDc2adL/+FlX8qsLh/YyOgl9GQp8dPMDIBRmktxgA9c1QSNJIQUj2UeHhQ==',
  bundle: 'package/bin/swiftshader.tar.br',
  files: {
    'libvk_swiftshader.so': '5b9e8591c7c2d1c9618c3ad485d0cdffb81f5f1ffd6a982fdb6578c2d8d3213e',
    'libvulkan.so.1': 'fe17a77c1f2df38d3b6a935140f746fd80aac564bb44eb3e4f6b75a504295a41',
    'vk_swiftshader_icd.json': 'c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd',
  },
}
export const SWIFTSHADER_BYTES = 68_300_000
export const SWIFTSHADER_KEPT = 6_800_000
