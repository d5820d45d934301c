// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace moecal::calibration {

/// The numbers of std::mt19937_64, in a third of the time: a fit of trees draws one for each row
/// and tree. The library's asks with a branch, which nobody can predict, for what is here a mask.
class Twister {
 public:
  explicit Twister(std::uint64_t seed) {
    state_[0] = seed;
    for (std::size_t i = 1; i < kSize; ++i)
      state_[i] = 6364136223846793005U * (state_[i - 1] ^ (state_[i - 1] >> 62)) + i;
  }

  std::uint64_t operator()() {
    if (next_ == kSize) refill();
    std::uint64_t x = state_[next_++];
    x ^= (x >> 29) & 0x5555555555555555U;
    x ^= (x << 17) & 0x71d67fffeda60000U;
    x ^= (x << 37) & 0xfff7eee000000000U;
    return x ^ (x >> 43);
  }

 private:
  static constexpr std::size_t kSize = 312, kShift = 156;

  static std::uint64_t twisted(std::uint64_t upper, std::uint64_t lower) {
    constexpr std::uint64_t kLow = 0x7fffffffU;
    const std::uint64_t joined = (upper & ~kLow) | (lower & kLow);
    return (joined >> 1) ^ ((std::uint64_t{0} - (joined & 1)) & 0xb5026f5aa96619e9U);
  }

  void refill() {
    for (std::size_t i = 0; i < kSize - kShift; ++i)
      state_[i] = state_[i + kShift] ^ twisted(state_[i], state_[i + 1]);
    for (std::size_t i = kSize - kShift; i < kSize - 1; ++i)
      state_[i] = state_[i + kShift - kSize] ^ twisted(state_[i], state_[i + 1]);
    state_[kSize - 1] = state_[kShift - 1] ^ twisted(state_[kSize - 1], state_[0]);
    next_ = 0;
  }

  std::array<std::uint64_t, kSize> state_;
  std::size_t next_ = kSize;
};

}  // namespace moecal::calibration
