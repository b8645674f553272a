import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { Detector, MobileNet, ObjectDetectionImageSynthesizer, train } from '../programs/object_detection.ts'

export default {
  losses: async () => {
    const draws = uniform(4000, 100).values()
    const synth = new ObjectDetectionImageSynthesizer(32, () => draws.next().value!)
    const examples = Array.from({ length: 10 }, () => synth.generateExample(4, 4))
    const base = new MobileNet({
      blocks: [
        [32, 1],
        [64, 2],
        [64, 1],
      ],
    })
    const net = given(new Detector(base, 8 * 8 * 16))
    const { transfer, fineTuning } = await train(net, examples, { epochs: 1, batchSize: 4, shuffle: false, tuned: 2 })
    return [transfer, fineTuning].flatMap(({ losses, heldLosses }) => [...losses, ...heldLosses])
  },
} satisfies Case
