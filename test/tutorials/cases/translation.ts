import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { batchesOf, type Pair, Translator, train, translate, vocabsOf } from '../programs/translation.ts'

const NOUNS = ['chat cat', 'chien dog', 'cheval horse'] as const
const COLOURS = ['noir black', 'blanc white', 'brun brown'] as const

/** The colour comes behind the noun in one language, and before it in the other; every other sentence has a verb. */
const PAIRS = Array.from({ length: 9 }, (_, k): Pair => {
  const [nom, noun] = NOUNS[k % 3]!.split(' ')
  const [couleur, colour] = COLOURS[(k + Math.floor(k / 3)) % 3]!.split(' ')
  const [verbe, verb] = k % 2 === 0 ? [' dort', ' sleeps'] : ['', '']
  return [`le ${nom} ${couleur}${verbe}`, `the ${colour} ${noun}${verb}`]
})

async function losses() {
  const vocabs = vocabsOf(PAIRS)
  const sizes = { encLayers: 1, decLayers: 1, embedSize: 16, attnHeads: 2, dimFeedforward: 32, dropout: 0, maxLen: 12 }
  const net = given(new Translator(vocabs, sizes))
  const data = { train: batchesOf(PAIRS.slice(0, 6), vocabs, 3), test: batchesOf(PAIRS.slice(6), vocabs, 3) }
  const { history, testLoss } = await train(net, data, { lr: 0.01, epochs: 8 })
  const words = vocabs.target.encode(await translate(net, vocabs, 'le cheval brun dort'))
  return [...history.map(({ trainLoss }) => trainLoss), testLoss, ...words]
}

export default { losses } satisfies Case
