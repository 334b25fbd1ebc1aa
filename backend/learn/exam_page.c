#include "learn/exam_page.h"

#include "base/clock.h"

#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>Model exam</title>\n<style>\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}\n"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}\n"
    "table{border-collapse:collapse;width:100%}"
    "th,td{padding:.35rem .6rem;border-bottom:1px solid #ddd;text-align:right}\n"
    "th:first-child,td:first-child{text-align:left}thead th{border-bottom:2px solid #888}\n"
    ".verdict{padding:1rem 1.2rem;border-left:8px solid;border-radius:4px;font-size:1.1rem}\n"
    ".yes{background:#e6f4ea;border-color:#1e7b34}.no{background:#fdeaea;border-color:#b3261e}\n"
    "tr.worse td{background:#fdeaea;font-weight:600}.mark{font-weight:700}\n"
    "blockquote{margin:.4rem 0;padding:.5rem .9rem;background:#f5f5f5;border-left:4px solid #999}"
    ".what{color:#555;font-size:.9rem}\n"
    "@media print{body{margin:0}}\n</style></head><body>\n";

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<': buf_add_text(out, "&lt;"); break;
        case '>': buf_add_text(out, "&gt;"); break;
        case '&': buf_add_text(out, "&amp;"); break;
        case '"': buf_add_text(out, "&quot;"); break;
        default: buf_add_char(out, *text);
        }
}

static double percent(int64_t part, int64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 100;
}

static void add_verdict(const struct exam_page *page, struct buf *out)
{
    char stamp[TIME_TEXT_SIZE];
    buf_add_text(out, head);
    buf_add_text(out, "<h1>Exam of the summary model</h1>\n<p class=\"what\">");
    buf_printf(out, "%s, %zu windows of patients that no model was trained on. New: <b>",
               time_format(page->time_us, stamp), page->challenger->count);
    add_escaped(out, page->challenger->model);
    buf_add_text(out, "</b>");
    if (page->champion) {
        buf_add_text(out, ", in service: <b>");
        add_escaped(out, page->champion->model);
        buf_add_text(out, "</b>");
    }
    buf_printf(out, ".</p>\n<p class=\"verdict %s\"><span class=\"mark\">%s</span> ", page->gate->passed ? "yes" : "no",
               page->gate->passed ? "&#10003; The new model may serve." : "&#10007; The new model does not serve.");
    add_escaped(out, page->gate->reason);
    buf_add_text(out, ".</p>\n");
}

static void add_row(struct buf *out, const struct exam_page *page, const char *name, double before, double now,
                    const char *unit, int decimals)
{
    buf_printf(out, "<tr><td>%s</td>", name);
    if (page->champion)
        buf_printf(out, "<td>%.*f%s</td>", decimals, before, unit);
    buf_printf(out, "<td>%.*f%s</td></tr>\n", decimals, now, unit);
}

static const struct exam_slice_sum *all_of(const struct exam *exam)
{
    static const struct exam_slice_sum none;
    return exam ? &exam->sums[SLICE_ALL] : &none;
}

static void add_totals(const struct exam_page *page, struct buf *out)
{
    const struct exam_slice_sum *a = all_of(page->champion), *b = all_of(page->challenger);
    double words_a = a->windows ? (double)a->words / (double)a->windows : 0,
           words_b = b->windows ? (double)b->words / (double)b->windows : 0;
    buf_printf(out, "<h2>In total</h2>\n<table><thead><tr><th></th>%s<th>new</th></tr></thead><tbody>\n",
               page->champion ? "<th>in service</th>" : "");
    add_row(out, page, "Total", page->champion ? 100 * page->champion->total : 0, 100 * page->challenger->total, "", 1);
    add_row(out, page, "Sentences proven by the data", percent(a->sentences - a->cuts, a->sentences),
            percent(b->sentences - b->cuts, b->sentences), " %", 2);
    add_row(out, page, "Critical alarms told by the model itself", percent(a->critical_told, a->critical),
            percent(b->critical_told, b->critical), " %", 2);
    add_row(out, page, "Numbers proven", percent(a->numbers_proven, a->numbers), percent(b->numbers_proven, b->numbers),
            " %", 2);
    add_row(out, page, "Same words as the reference (ROUGE-L)", 100 * a->rouge, 100 * b->rouge, " %", 1);
    add_row(out, page, "Same facts as the reference (F1)", 100 * a->fact_f1, 100 * b->fact_f1, " %", 1);
    if (page->challenger->sums[SLICE_EDITED].windows)
        add_row(out, page, "Same words as clinicians&rsquo; edits (ROUGE-L)",
                page->champion ? 100 * page->champion->sums[SLICE_EDITED].rouge : 0,
                100 * page->challenger->sums[SLICE_EDITED].rouge, " %", 1);
    add_row(out, page, "Words a summary", words_a, words_b, "", 1);
    add_row(out, page, "Time for one, median", page->champion ? page->champion->latency_ms_median : 0,
            page->challenger->latency_ms_median, " ms", 0);
    add_row(out, page, "Time for one, 95 of 100", page->champion ? page->champion->latency_ms_p95 : 0,
            page->challenger->latency_ms_p95, " ms", 0);
    buf_add_text(out, "</tbody></table>\n<p class=\"what\">Whatever a model writes, the guard cuts what the data do "
                      "not prove and adds a critical "
                      "alarm that was left out: these figures are what the model does before that.</p>\n");
}

static void add_slices(const struct exam_page *page, struct buf *out)
{
    static const char *const meanings[ROW_COUNT] = { "nothing had to be cut", "every critical alarm told",
                                                     "every number right" };
    buf_printf(out,
               "<h2>By kind of patient</h2>\n<table><thead><tr><th>windows that "
               "&hellip;</th><th>of</th>%s<th>new</th><th>lost</th><th>won</th></tr></thead><tbody>\n",
               page->champion ? "<th>in service</th>" : "");
    for (int slice = 0; slice < SLICE_COUNT; slice++)
        for (int row = 0; row < ROW_COUNT; row++) {
            const struct exam_slice_sum *sum = &page->challenger->sums[slice];
            const struct gate_row *compared = NULL;
            for (int i = 0; i < page->gate->row_count; i++)
                if (page->gate->rows[i].slice == (enum exam_slice)slice &&
                    page->gate->rows[i].row == (enum exam_row)row)
                    compared = &page->gate->rows[i];
            if (!sum->windows)
                continue;
            buf_printf(out, "<tr%s><td>%s%s: %s</td><td>%lld</td>",
                       compared && compared->worse ? " class=\"worse\"" : "",
                       compared && compared->worse ? "&#9660; " : "", exam_slice_name((enum exam_slice)slice),
                       meanings[row], (long long)sum->windows);
            if (page->champion)
                buf_printf(out, "<td>%.1f %%</td>", percent(compared ? compared->champion : 0, sum->windows));
            buf_printf(out, "<td>%.1f %%</td><td>%lld</td><td>%lld</td></tr>\n", percent(sum->right[row], sum->windows),
                       compared ? (long long)compared->lost : 0LL, compared ? (long long)compared->won : 0LL);
        }
    buf_add_text(out, "</tbody></table>\n<p class=\"what\">&#9660; worse than the model in service: a single such line "
                      "keeps the new one out.</p>\n");
}

static void add_text(struct buf *out, const char *what, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "<p class=\"what\">%s</p><blockquote>", what);
    add_escaped(out, text);
    buf_add_text(out, "</blockquote>\n");
}

static void add_examples(const struct exam_page *page, struct buf *out)
{
    if (page->example_count)
        buf_add_text(out, "<h2>Examples</h2>\n");
    for (int i = 0; i < page->example_count; i++) {
        buf_add_text(out, "<h3>");
        add_escaped(out, page->examples[i].slice);
        buf_add_text(out, "</h3>\n");
        add_text(out, "New", page->examples[i].challenger);
        add_text(out, "In service", page->examples[i].champion);
        add_text(out, "Reference", page->examples[i].reference);
    }
}

void exam_page_write(const struct exam_page *page, struct buf *out)
{
    add_verdict(page, out);
    add_totals(page, out);
    add_slices(page, out);
    add_examples(page, out);
    buf_add_text(out, "</body></html>\n");
}
