import type { Case } from '../case.ts'
import { given, normal, whole } from '../given.ts'
import { Classifier, evaluate, parse, split, train } from '../programs/imbalanced.ts'

async function losses() {
  const numbers = normal(50 * 4, 100)
  const targets = whole(50, 103, 3)
  const lines = Array.from(targets, (one, row) => [...numbers.subarray(4 * row, 4 * row + 4), `"${one === 0 ? 1 : 0}"`])
  const table = parse(['a,b,c,d,class', ...lines].join('\n'))
  const rows = split(table, { batchSize: 16, shuffle: false })
  const net = given(new Classifier({ columns: 4, units: 16, dropout: 0 }))
  const { history } = await train(net, rows.train, rows.counts, { epochs: 2 })
  const { tp, fn, fp, tn, precision, recall } = await evaluate(net, rows.val)
  return [...history.map(({ trainLoss }) => trainLoss), tp, fn, fp, tn, precision, recall]
}

export default { losses } satisfies Case
