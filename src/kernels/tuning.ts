// The table of numbers that decide how kernels divide their work: a row for each kernel, a column for each class of adapter.
// `cpu` was measured, on lavapipe with two cores. `gpu` was not: nobody has run it on a GPU yet. It follows from reasoning: a
// GPU needs many threads with few registers, a processor few threads that use each load often.
//
// Except for LANES, none of these numbers changes the order in which anything is added up. So no file of `dawngrad tune` may
// change LANES, nor IMAGES and KW_FIXED, which do not depend on the class.
import type { GpuInfo } from '../gpu/info.ts'

export type AdapterClass = GpuInfo['adapterClass']

/** Numbers chosen for one kernel: those of its `// tune` lines, its workgroup size WG, and choices of the host. */
export type Numbers = Readonly<Record<string, number>>

export const TUNING = {
  /**
   * add, fill, finite, gather, max_pool2d, relu, sgd. PER: elements a thread, as the shaders' own lines say. A thread costs
   * 8 ns on lavapipe. One number for both classes: these kernels are made before a device is known. Kernels that are made for
   * each use, as those of add, exp and permute, take PER_OF_MANY from `many` elements on.
   */
  elementwise: {
    cpu: { WG: 64, PER: 16, PER_OF_MANY: 128, many: 2 ** 18 },
    gpu: { WG: 64, PER: 16, PER_OF_MANY: 16, many: 2 ** 18 },
  },

  /**
   * conv2d.forward and conv2d.backward_input. PX by OCB sums a thread; of the PX the one is taken that computes least past
   * the end of a row. mostSums: on lavapipe compile time jumps from one or two seconds to twenty above 80; on a GPU more than
   * 32 sums, with what they are made of, would leave too few threads at a time. anyPX and anyOCB: for other strides.
   * worthDispatches: multiply-adds from which a layer whose weights fit no uniform buffer may be several dispatches; on a GPU
   * storage is read as fast.
   */
  conv2d_correlate: {
    cpu: { WG: 64, mostSums: 80, PX: [14, 10, 8, 7, 4], OCB: 8, anyPX: 4, anyOCB: 8, worthDispatches: 2 ** 26 },
    gpu: { WG: 64, mostSums: 32, PX: [4], OCB: 8, anyPX: 4, anyOCB: 4, worthDispatches: Infinity },
  },

  /**
   * conv2d.backward_weight. DW_OC filters by DW_TY by DW_TX taps a thread, at most; any…: for small layers. Its threads are
   * few and heavy: on lavapipe small workgroups spread them over the cores; on a GPU blocks of one row of taps and more LANES
   * make more of them.
   */
  conv2d_weight: {
    cpu: { WG: 16, LANES: 8, mostSums: 200, DW_OC: 8, DW_TY: 5, DW_TX: 5, anyOC: 4, anyTY: 3, anyTX: 3 },
    gpu: { WG: 64, LANES: 32, mostSums: 32, DW_OC: 4, DW_TY: 1, DW_TX: 5, anyOC: 4, anyTY: 1, anyTX: 3 },
  },

  /**
   * depthwise. Columns and rows of a thread's strip, at most, and products of a row of the input with the kernel: on lavapipe
   * loops of more of them are not unrolled, and take three times as long.
   */
  depthwise: {
    cpu: { WG: 64, mostColumns: 8, mostProducts: 150, mostRows: 64 },
    gpu: { WG: 64, mostColumns: 4, mostProducts: 100, mostRows: 8 },
  },

  /** conv2d_relu_max_pool2d.forward: RUN windows, of four sums each, by OCB filters a thread. */
  fused_forward: { cpu: { mostSums: 84, mostRun: 8 }, gpu: { mostSums: 32, mostRun: 2 } },

  /**
   * conv2d_relu_max_pool2d.backward_input: two rows of DX_T cells by DX_C channels a thread; mostWhole: a row of up to so many
   * is taken whole, since nothing outside of it is computed then.
   */
  fused_input: {
    cpu: { mostSums: 84, mostWhole: 14, DX_T: 8, DX_C: 4 },
    gpu: { mostSums: 32, mostWhole: 0, DX_T: 4, DX_C: 4 },
  },

  /** conv2d_relu_max_pool2d.backward_weight: as conv2d_weight. */
  fused_weight: {
    cpu: { WG: 16, LANES: 8, mostSums: 100, DW_OC: 4, DW_TY: 5, DW_TX: 5 },
    gpu: { WG: 64, LANES: 32, mostSums: 32, DW_OC: 4, DW_TY: 1, DW_TX: 5 },
  },

  /**
   * linear. Up to so many multiplications a layer computes from its operands as they lie: packing would cost more than it
   * saves or hardly less, and on a GPU a dispatch costs as much as many more of them. parts 1: the blocks of rows of a weight gradient are
   * summed by separate threads, which pays only for thousands of them.
   */
  linear: {
    cpu: { directForward: 2 ** 24, directBackward: 2 ** 24, parts: 0 },
    gpu: { directForward: 2 ** 24, directBackward: 2 ** 24, parts: 1 },
  },

  /** matmul: threads a workgroup; each makes a block of 8 by 8. */
  matmul: { cpu: { WG: 64 }, gpu: { WG: 64 } },

  /**
   * cross_entropy. Up to so many rows and logits one workgroup does all: more of them on a GPU, or cores, would be worth a
   * dispatch, the sooner the more of them there are.
   */
  cross_entropy: {
    cpu: { FUSED_ROWS: 4096, FUSED_LOGITS: 65_536 },
    gpu: { FUSED_ROWS: 1024, FUSED_LOGITS: 16_384 },
  },
} as const satisfies Record<string, Record<AdapterClass, object>>
