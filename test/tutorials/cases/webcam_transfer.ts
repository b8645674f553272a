import { nn } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, whole } from '../given.ts'
import { ControllerDataset, head, predict, train } from '../programs/webcam_transfer.ts'

const size = [16, 16] as const
const picture = (seed: number) => Uint8Array.from(whole(768, seed, 256))

export default {
  losses: async () => {
    const backbone = given(new nn.Sequential(new nn.Conv2d(3, 8, 3, { stride: 2 }), new nn.ReLU(), new nn.MaxPool2d(2)))
    const dataset = new ControllerDataset(backbone)
    for (let i = 0; i < 10; i++) await dataset.addExample(picture(100 + i), size, i % 4)
    const net = given(head(72))
    const losses = await train(net, dataset, { lr: 0.001, epochs: 2, shuffle: false })
    return [...losses, await predict(net, dataset, picture(200), size)]
  },
} satisfies Case
