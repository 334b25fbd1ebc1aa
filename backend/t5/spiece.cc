#include "t5/spiece.h"

#include <sentencepiece_processor.h>

#include <cstring>
#include <string>
#include <vector>

struct spiece {
    sentencepiece::SentencePieceProcessor processor;
};

static const char space_mark[] = "\xe2\x96\x81";   /* U+2581, in front of a word */

struct spiece *spiece_load(const void *bytes, size_t size, char *reason, size_t reason_size)
{
    struct spiece *made = new spiece;
    const auto status = made->processor.LoadFromSerializedProto(
        absl::string_view(static_cast<const char *>(bytes), size));
    if (status.ok())
        return made;
    std::strncpy(reason, status.ToString().c_str(), reason_size - 1);
    reason[reason_size - 1] = 0;
    delete made;
    return nullptr;
}

void spiece_free(struct spiece *spiece)
{
    delete spiece;
}

int32_t spiece_count(const struct spiece *spiece)
{
    return spiece->processor.GetPieceSize();
}

int32_t spiece_unknown_id(const struct spiece *spiece)
{
    return spiece->processor.unk_id();
}

int32_t spiece_id(const struct spiece *spiece, const char *piece)
{
    return spiece->processor.PieceToId(piece);
}

size_t spiece_encode(const struct spiece *spiece, const char *text, size_t length, int32_t *out, size_t max)
{
    std::vector<int> ids;
    if (!spiece->processor.Encode(absl::string_view(text, length), &ids).ok())
        return 0;
    for (size_t i = 0; i < ids.size() && i < max; i++)
        out[i] = ids[i];
    return ids.size();
}

char *spiece_decode(const struct spiece *spiece, const int32_t *ids, size_t count, bool drop_first_space)
{
    std::vector<std::string> pieces;
    std::string text;
    for (size_t i = 0; i < count; i++)
        pieces.push_back(spiece->processor.IdToPiece(ids[i]));
    if (drop_first_space && count > 0 && pieces[0].compare(0, sizeof space_mark - 1, space_mark) == 0)
        pieces[0].erase(0, sizeof space_mark - 1);
    if (!spiece->processor.Decode(pieces, &text).ok())
        return nullptr;
    char *copy = static_cast<char *>(std::malloc(text.size() + 1));
    if (copy)
        std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}
