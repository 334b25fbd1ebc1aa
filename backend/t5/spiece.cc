#include "t5/spiece.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <cstdlib>
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

namespace {

class texts : public sentencepiece::SentenceIterator {
  public:
    texts(const char *(*next)(void *), void *context) : next_(next), context_(context)
    {
        Next();
    }
    bool done() const override
    {
        return done_;
    }
    void Next() override
    {
        const char *text = next_(context_);
        done_ = text == nullptr;
        value_ = text ? text : "";
    }
    const std::string &value() const override
    {
        return value_;
    }
    sentencepiece::util::Status status() const override
    {
        return sentencepiece::util::Status();
    }

  private:
    const char *(*next_)(void *);
    void *context_;
    std::string value_;
    bool done_ = false;
};

}

char *spiece_train(const char *(*next)(void *context), void *context, int size, const char *symbols, size_t *out_size,
                   char *reason, size_t reason_size)
{
    std::string characters, model;
    for (char c = '!'; c <= '~'; c++)
        characters += c;
    texts iterator(next, context);
    sentencepiece::SetRandomGeneratorSeed(1);
    const auto status = sentencepiece::SentencePieceTrainer::Train(
        { { "model_type", "unigram" }, { "vocab_size", std::to_string(size) }, { "hard_vocab_limit", "false" },
          { "character_coverage", "1.0" }, { "required_chars", characters }, { "split_digits", "true" },
          { "user_defined_symbols", symbols }, { "pad_id", "0" }, { "eos_id", "1" }, { "unk_id", "2" },
          { "bos_id", "-1" }, { "pad_piece", "<pad>" }, { "num_threads", "1" }, { "max_sentence_length", "65536" },
          { "minloglevel", "1" } },
        &iterator, &model);
    char *out = status.ok() ? static_cast<char *>(std::malloc(model.size())) : nullptr;
    std::strncpy(reason, status.ok() ? "out of memory" : status.ToString().c_str(), reason_size - 1);
    reason[reason_size - 1] = 0;
    if (out)
        std::memcpy(out, model.data(), model.size());
    *out_size = model.size();
    return out;
}
