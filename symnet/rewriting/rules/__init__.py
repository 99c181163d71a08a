"""The rules of the rewriter, by what they are about.

    checks      checks of sizes that outlive what they were made for
    algebra     arithmetic: fewer operations, the same values
    cancel      positive factors that cancel, as gradients of losses have them
    stability   forms that keep their precision; logged, logarithms, logsums, logmoves,
                powers, totals, quotients and crossentropy are its parts
    shapes      fills, axes, sizes
    reductions  sums and maxima
    indexing    parts of arrays, and writing to them
    library     products of matrices as BLAS calls
    composed    operations that are defined by others

A new rule is a `Rule` in one of the lists at the end of these files.  It is tested by its
name, in `tests/rewriting/rules`: by value with awkward numbers in every dtype, and, where
both sides are expressions, by SymPy's proof.  In which order lists are used, and why, is
said in `compile.pipeline`.
"""
