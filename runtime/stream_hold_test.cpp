// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "runtime/hold_words.hpp"

// The kernel that holds a stream, compiled for the CPU: a launch returns when it has ended.
namespace moecal {
namespace {

constexpr Seconds kForEver{60};

TEST(Hold, EndsAtOnceIfItIsReleasedAlready) {
  HoldWords words{.released = 3};
  enqueue_hold(&words, 3, kForEver, nullptr);
  EXPECT_EQ(words.lapsed, 0U);
}

TEST(Hold, LastsUntilTheHostReleasesIt) {
  HoldWords words{.released = 6};
  std::atomic<bool> about_to_release = false;
  std::thread host{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    about_to_release = true;
    std::atomic_ref{words.released} = 7;
  }};
  enqueue_hold(&words, 7, kForEver, nullptr);
  EXPECT_TRUE(about_to_release);
  EXPECT_EQ(words.lapsed, 0U);
  host.join();
}

TEST(Hold, EndsByItselfAndSaysWhich) {
  HoldWords words{.released = 1};
  const auto start = std::chrono::steady_clock::now();
  enqueue_hold(&words, 2, Seconds{0.01}, nullptr);
  EXPECT_GE(Seconds{std::chrono::steady_clock::now() - start}, Seconds{0.01});
  EXPECT_EQ(words.lapsed, 2U);
}

}  // namespace
}  // namespace moecal
