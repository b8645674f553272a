// Numbers fixed by the WebGPU specification. The globals of the same names exist in browsers only.
export const bufferUsage = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
} as const
export const mapModeRead = 0x1
export const shaderStageCompute = 0x4
