import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { fitModel, generateText, TextData, TextModel } from '../programs/lstm_text.ts'

const TEXT = 'a quick brown fox jumps over the lazy dog, and the dog looks at the fox over its nose'

export default {
  losses: async () => {
    const data = new TextData(TEXT, 12, 3)
    const model = given(new TextModel(data.characters.length, [24, 16]))
    const starts = (epoch: number) =>
      data
        .starts()
        .slice(0, 16)
        .map((start) => start + epoch)
    const options = { epochs: 2, batchSize: 6, validationSplit: 0.25, lr: 0.01, starts }
    const { losses, heldLosses } = await fitModel(model, data, options)
    const text = await generateText(model, data, TEXT.slice(0, 12), { length: 4, temperature: 0 })
    return [...losses, ...heldLosses, ...data.encode(text)]
  },
} satisfies Case
