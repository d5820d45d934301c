// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <climits>

#include "kernels/element.cuh"
#include "kernels/topk_gate/best_of_chunks.cuh"
#include "kernels/topk_gate/ordered_halves.cuh"
#include "kernels/warp.cuh"

namespace moecal::kernels {

/// A 16-bit score and its expert in one integer, which orders them: the score above, and below what
/// an expert lacks to kLastExpert, so that of equals the lowest comes first. No two experts have
/// one, so none has to be marked as taken: what is left of a chunk is below what was last taken.
using Key = int;
inline constexpr Key kNoKey = INT_MIN;  // lower than any
inline constexpr int kLastExpert = 0xffff;

__device__ inline int expert_of(Key key) { return ~key & kLastExpert; }

/// Of all keys and `none` the highest up to `bound`: what is the least distance below, for
/// distances wrap around. All of them span less than 2^32. Two chains, for a warp waits for each
/// step of one.
template <int kKeys>
__device__ unsigned highest_up_to(unsigned bound, const unsigned (&keys)[kKeys], unsigned none) {
  unsigned distance[] = {bound - none, bound - keys[0]};
#pragma unroll
  for (int i = 1; i < kKeys; ++i) {
    unsigned& least = distance[i % 2];
    least = least < bound - keys[i] ? least : bound - keys[i];
  }
  return bound - (distance[0] < distance[1] ? distance[0] : distance[1]);
}

/// The highest of all keys but the highest, which is `best`.
__device__ inline Key highest_below(Key best, const Four<Key>& keys) {
  const auto [a, b, c, d] = keys.of;
  const unsigned all[] = {static_cast<unsigned>(a), static_cast<unsigned>(b),
                          static_cast<unsigned>(c), static_cast<unsigned>(d)};
  return static_cast<Key>(
      highest_up_to(static_cast<unsigned>(best) - 1, all, static_cast<unsigned>(kNoKey)));
}

/// What one of the kLanes neighbouring threads of a token has of its 16-bit scores: every kLanes-th
/// chunk of 16 bytes, kElements in all. The best of a chunk that nothing was taken from is the key
/// that its first expert would have with the chunk's highest score.
template <class T, int kLanes, int kElements>
class ShareOfKeys {
 public:
  static constexpr int kChunk = kElementsPer16Bytes<T>;
  static constexpr int kChunks = kElements / kChunk;

  using Memory = BestOfChunks<Key, kChunks>;

  /// `logits`: the thread's first chunk.
  __device__ ShareOfKeys(const uint4* logits, int experts, Memory& memory)
      : first_{static_cast<int>(threadIdx.x) % kLanes * kChunk}, logits_{logits}, memory_{memory} {
    Four<Key> chunks[Memory::kGroups];  // all are read before the first is written
#pragma unroll
    for (int group = 0; group < Memory::kGroups; ++group)
#pragma unroll
      for (int i = 0; i < 4; i += 2)
        find_best(group * 4 + i, experts, chunks[group].of[i], chunks[group].of[i + 1]);
    best_ = memory_.fill(chunks, kNoKey);
  }

  /// Of what is left of the token. All lanes of the warp call it together.
  [[nodiscard]] __device__ float highest_score() const {
    return score_of<T>(over_lanes<kLanes>(best_, Largest{}) >> 16);
  }

  /// Takes the token's next: of the highest score left the lowest expert. All lanes of the warp
  /// call it together.
  __device__ Choice choose() {
    const Key best = over_lanes<kLanes>(best_, Largest{});
    const unsigned chunk = static_cast<unsigned>(expert_of(best)) / kChunk;  // of the token
    const unsigned owner = chunk % kLanes;
    Key taken = best;
    if (owner == threadIdx.x % kLanes) taken = take(chunk / kLanes);
    if constexpr (kLanes > 1)
      taken = __shfl_sync(kAllLanes, taken, static_cast<int>(owner), kLanes);
    return {expert_of(taken), score_of<T>(taken >> 16)};
  }

 private:
  /// The first expert of a chunk.
  [[nodiscard]] __device__ int first_of(unsigned chunk) const {
    return first_ + static_cast<int>(chunk) * kLanes * kChunk;
  }

  /// Takes the highest of a chunk up to its best, which is the best of all, and returns it. What
  /// the others come to is known before the chunk is read: nothing is written and read back.
  __device__ Key take(unsigned chunk) {
    const Key of_other_chunks = highest_below(best_, memory_.chunks(chunk / 4));
    Key of_other_groups = kNoKey;
#pragma unroll
    for (int four = 0; four < Memory::kFours; ++four)
      of_other_groups = higher(of_other_groups, highest_below(best_, memory_.groups(four)));
    unsigned keys[kChunk];
    keys_of(logits_[chunk * kLanes], keys);
    const auto base = static_cast<unsigned>(kLastExpert - (kChunk - 1) - first_of(chunk));
    const unsigned taken = highest_up_to(static_cast<unsigned>(best_) - base, keys, keys[0]);
    const unsigned next = highest_up_to(taken - 1, keys, static_cast<unsigned>(kNoKey) - base);
    const auto of_chunk = static_cast<Key>(next + base);
    const Key of_group = higher(of_chunk, of_other_chunks);
    memory_.set(chunk, of_chunk, of_group);
    best_ = higher(of_group, of_other_groups);
    return static_cast<Key>(taken + base);
  }

  /// The keys of a chunk as if it were of the last experts that there can be.
  __device__ static void keys_of(uint4 logits, unsigned (&keys)[kChunk]) {
    const unsigned words[] = {logits.x, logits.y, logits.z, logits.w};
#pragma unroll
    for (unsigned i = 0; i < kChunk; i += 2) {
      const unsigned scores = ordered<T>(words[i / 2]);
      keys[i] = (scores << 16) + (kChunk - 1 - i);
      keys[i + 1] = __byte_perm(scores, kChunk - 2 - i, kLowAndHigh);
    }
  }
  /// Of __byte_perm: the upper half of the first word above the lower half of the second.
  static constexpr unsigned kLowAndHigh = 0x3254;

  /// The best of two neighbouring chunks; kNoKey of one that does not exist.
  __device__ void find_best(unsigned chunk, int experts, Key& best, Key& of_next) const {
    const unsigned a = highest_of(chunk, experts);
    const unsigned b = highest_of(chunk + 1, experts);
    const unsigned scores =
        ordered<T>(higher_halves<T>(__byte_perm(a, b, 0x5410), __byte_perm(a, b, 0x7632)));
    const int first = first_of(chunk);
    best = exists(chunk, experts)
               ? static_cast<Key>((scores << 16) + static_cast<unsigned>(kLastExpert - first))
               : kNoKey;
    of_next =
        exists(chunk + 1, experts)
            ? static_cast<Key>(__byte_perm(
                  scores, static_cast<unsigned>(kLastExpert - first_of(chunk + 1)), kLowAndHigh))
            : kNoKey;
  }
  [[nodiscard]] __device__ bool exists(unsigned chunk, int experts) const {
    return chunk < kChunks && first_of(chunk) < experts;
  }
  /// The highest logits of a chunk in its lower and upper halves; anything of none.
  [[nodiscard]] __device__ unsigned highest_of(unsigned chunk, int experts) const {
    if (!exists(chunk, experts)) return 0;
    const uint4 logits = logits_[chunk * kLanes];
    return higher_halves<T>(higher_halves<T>(logits.x, logits.y),
                            higher_halves<T>(logits.z, logits.w));
  }

  int first_;  // expert of this thread's
  const uint4* logits_;
  Memory& memory_;
  Key best_;
};

}  // namespace moecal::kernels
