/* rouge.h - ROUGE-L: how much of one text's words stands in another's, in the same order.
 *
 *     precision = LCS / words of the text,  recall = LCS / words of the reference,  F1 of both
 * LCS is the longest common subsequence of words; a word is a run of letters, digits and the marks
 * that make a number (`.` `/` `:` `-` between digits), lower case: "118/76" and "12:56" are one word.
 * Source: Lin 2004, ROUGE, section 3.1 (with beta = 1).
 * Bounds:  ROUGE_WORDS_MAX words of either text; what follows is not looked at.   Threads: pure. */
#ifndef LEARN_ROUGE_H
#define LEARN_ROUGE_H

enum { ROUGE_WORDS_MAX = 1024 };   /* four times the longest summary */

double rouge_l(const char *text, const char *reference);   /* 0 to 1; two empty texts: 1 */

#endif
