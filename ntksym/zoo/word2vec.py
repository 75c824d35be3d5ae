"""Word2Vec (CBOW): the mean of context embeddings read out over the vocabulary, without a nonlinearity."""

from ntksym import language as ns

n, vocab = ns.dim("n"), ns.fixed("vocab", 64)


@ns.program
def word2vec(context: ns.Tokens(ns.fixed("C", 4), "C")) -> ns.Value:
    """Logits of a word from the words around it."""
    h, _ = ns.embedding(context, n, name="embed", vocab=vocab)
    return ns.dense(ns.pool(h, "C"), vocab, name="readout", bias=False)
