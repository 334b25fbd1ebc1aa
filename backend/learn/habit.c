#include "learn/habit.h"

#include "learn/sentences.h"

#include <string.h>

struct sentences {
    struct sentence_list list;
    enum habit_kind kind[SENTENCES_SPLIT_MAX];
};

static enum habit_kind kind_of(const char *text, size_t length)
{
    bool steady = false;
    for (size_t i = 0; i + 2 < length; i++) {
        if (text[i] != '$')
            continue;
        char owner = text[i + 1], letter = text[i + 2];
        if (owner == 'W' || owner == 'N' || owner == 'G')
            return owner == 'W' ? HABIT_WINDOW : owner == 'N' ? HABIT_NEWS2 : HABIT_ALARM;
        if (strchr("0123456789abcdef", owner))
            return HABIT_ALARM;
        if (letter == 'b' || letter == 'm' || letter == 'x')
            return HABIT_MOVED;
        steady = true;
    }
    return steady ? HABIT_STEADY : HABIT_OTHER;
}

static void split(const char *text, struct sentences *out)
{
    sentences_split(text, &out->list);
    for (int i = 0; i < out->list.count; i++)
        out->kind[i] = kind_of(out->list.at[i], out->list.length[i]);
}

static void count(const char *named, int before[HABIT_KIND_COUNT][HABIT_KIND_COUNT])
{
    struct sentences sentences;
    int first[HABIT_KIND_COUNT];
    split(named, &sentences);
    for (int kind = 0; kind < HABIT_KIND_COUNT; kind++)
        first[kind] = -1;
    for (int i = sentences.list.count; i-- > 0;)
        first[sentences.kind[i]] = i;
    for (int a = 0; a < HABIT_KIND_COUNT; a++)
        for (int b = 0; b < HABIT_KIND_COUNT; b++)
            before[a][b] += first[a] >= 0 && first[b] >= 0 && first[a] < first[b];
}

void habit_note(struct habit *habit, const char *edited, const char *usual)
{
    count(edited, habit->edited);
    count(usual, habit->usual);
}

static bool must_precede(const struct habit *habit, enum habit_kind a, enum habit_kind b)
{
    int both = habit->edited[a][b] + habit->edited[b][a];
    if (both < HABIT_MIN && habit->older)
        return must_precede(habit->older, a, b);
    return a != b && both >= HABIT_MIN && habit->edited[a][b] >= HABIT_SHARE * both &&
           habit->usual[a][b] < habit->usual[b][a];
}

/* Insertion, stable: what no habit moves keeps its place. */
static void sort(const struct habit *habit, const struct sentences *sentences, int *order)
{
    for (int i = 0; i < sentences->list.count; i++) {
        int at = i;
        while (at > 0 && must_precede(habit, sentences->kind[i], sentences->kind[order[at - 1]])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

void habit_apply(const struct habit *habit, const char *named, struct buf *out)
{
    struct sentences sentences;
    int order[SENTENCES_SPLIT_MAX];
    split(named, &sentences);
    sort(habit, &sentences, order);
    for (int i = 0; i < sentences.list.count; i++) {
        if (i)
            buf_add_char(out, ' ');
        buf_add(out, sentences.list.at[order[i]], sentences.list.length[order[i]]);
    }
}
