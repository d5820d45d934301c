// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/stream_hold.hpp"

#include <atomic>

namespace moecal {
namespace {

using Word = std::atomic_ref<std::uint32_t>;

}  // namespace

// The kernel reads the words that go with this: whatever became of it is said elsewhere.
StreamHold::~StreamHold() {
  release();
  if (number_ > 0) (void)cudaStreamSynchronize(stream_);
}

void StreamHold::take(Stream stream) {
  stream_ = stream;
  enqueue_hold(words_, ++number_, kLongest, stream);
}

bool StreamHold::lapsed() const {
  return Word{words_->lapsed}.load(std::memory_order_acquire) == number_;
}

void StreamHold::release() noexcept {
  Word{words_->released}.store(number_, std::memory_order_release);
}

}  // namespace moecal
