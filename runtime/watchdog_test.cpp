// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "runtime/fork_plane.hpp"
#include "runtime/hosts.hpp"
#include "runtime/pulse.hpp"
#include "tests/tcp_ranks.hpp"

namespace moecal {
namespace {

using namespace std::chrono_literals;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr char kPoint[] = "all_reduce/ompi/bytes:64/g:4";

/// One rank's sentence; written by its watchdog's thread.
class Heard {
 public:
  void take(const std::string& sentence) {
    const std::lock_guard lock{mutex_};
    sentence_ = sentence;
  }
  /// Empty if none comes in time.
  [[nodiscard]] std::string wait(std::chrono::milliseconds within) const {
    const auto end = std::chrono::steady_clock::now() + within;
    while (std::chrono::steady_clock::now() < end) {
      {
        const std::lock_guard lock{mutex_};
        if (!sentence_.empty()) return sentence_;
      }
      std::this_thread::sleep_for(10ms);
    }
    return "";
  }

 private:
  mutable std::mutex mutex_;
  std::string sentence_;
};

using Body = std::function<void(int rank, Watchdog&, Activity&)>;

/// What each of four watched ranks says after `body` ran in it; `silent` is not waited for.
std::vector<std::string> sentences(std::chrono::milliseconds timeout,
                                   std::chrono::milliseconds within, const Body& body,
                                   int silent = -1) {
  std::vector<Heard> heard(4);
  std::vector<std::string> said(4);
  const auto problems = testing::on_tcp_ranks(4, 20s, [&](ControlPlane& plane) {
    const int rank = plane.rank();
    Activity activity;
    activity.begin(kPoint);
    activity.step("timed batch", Activity::Limit::own_work);
    {
      Watchdog watchdog{plane, activity, {timeout, [&](const auto& s) { heard[rank].take(s); }}};
      body(rank, watchdog, activity);
      if (rank != silent) said[rank] = heard[rank].wait(within);
      plane.wait_for_all();
    }
  });
  for (const std::string& problem : problems) EXPECT_EQ(problem, "");
  return said;
}

// A busy machine that does not let a rank hear for a while makes it wait so much longer, not a
// whole time-out anew.
TEST(PulseLinks, CountsNobodysSilenceWhileItCouldNotHear) {
  const auto problems = testing::on_tcp_ranks(2, 20s, [](ControlPlane& plane) {
    PulseLinks links{plane};
    if (plane.rank() == 1) links.connect();
    for (bool met = plane.rank() == 1; !met;
         met = !links.silence(std::chrono::steady_clock::now(), -1h).names.empty())
      static_cast<void>(links.listen(std::chrono::steady_clock::now() + 10ms));
    const auto now = std::chrono::steady_clock::now();
    EXPECT_EQ(links.silence(now, 5s).names, "");
    const auto found = links.silence(now + 10s, 5s);
    EXPECT_EQ(found.names, "rank " + std::to_string(1 - plane.rank()) + " of 2 on " + host_name());
    EXPECT_GE(found.longest, 10s);
    links.pardon(now, 60s);
    EXPECT_NE(links.silence(now + 10s, 5s).names, "") << "it was heard of after the pause";
    links.pardon(now + 10s, 6s);
    EXPECT_EQ(links.silence(now + 10s, 5s).names, "");
    EXPECT_NE(links.silence(now + 15s, 5s).names, "");
    EXPECT_GE(links.silence(now + 15s, 5s).longest, 15s) << "what it says is how long it was";
    plane.wait_for_all();
  });
  for (const std::string& problem : problems) EXPECT_EQ(problem, "");
}

TEST(Watchdog, IsQuietAsLongAsRanksLive) {
  for (const auto& said : sentences(200ms, 600ms, [](int, Watchdog&, Activity&) {}))
    EXPECT_EQ(said, "");
}

/// How often threads of this process stopped running, of their own accord or not.
std::int64_t switches() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw + usage.ru_nivcsw;
}

// Signs that answer one another keep a core busy, which is seen in what is measured: some 10,000 a
// second.
TEST(Watchdog, SleepsBetweenItsSigns) {
  std::int64_t before = 0, after = 0;
  sentences(2s, 1ms, [&](int rank, Watchdog&, Activity&) {
    if (rank == 0) before = switches();
    std::this_thread::sleep_for(1s);
    if (rank == 0) after = switches();
  });
  EXPECT_LT(after - before, 1'000);
}

TEST(Watchdog, EndsAStepWithoutProgressOnEveryRank) {
  const auto said = sentences(300ms, 10s, [](int rank, Watchdog&, Activity& activity) {
    if (rank == 2) activity.step("warm-up");
  });
  const std::string reason = "no rank made progress for 0.3 s, says rank 2 of 4 on " + host_name();
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_THAT(said[rank], HasSubstr(reason));
    EXPECT_THAT(said[rank], HasSubstr("moecal: rank " + std::to_string(rank) + " of 4 on " +
                                      host_name() + ", in " + kPoint + ", step '" +
                                      (rank == 2 ? "warm-up" : "timed batch") + "': "));
  }
}

TEST(Watchdog, WaitsForStepsThatAreKnownToBeLong) {
  const auto said = sentences(200ms, 600ms, [](int rank, Watchdog&, Activity& activity) {
    if (rank < 2) activity.step("a long batch", Activity::Limit::timeout, Seconds{20});
  });
  for (const auto& sentence : said) EXPECT_EQ(sentence, "");
}

// The ranks of the groups that are not measured wait for the others.
TEST(Watchdog, WaitsAsLongAsAnyRankMakesProgress) {
  for (const int busy : {0, 3}) {
    const auto said = sentences(500ms, 1ms, [&](int rank, Watchdog&, Activity& activity) {
      activity.step("timed batch");
      for (int i = 0; i < 60; ++i) {
        std::this_thread::sleep_for(20ms);
        if (rank == busy) activity.beat();
      }
    });
    for (const auto& sentence : said) EXPECT_EQ(sentence, "");
  }
}

TEST(Watchdog, TellsTheOthersThatARankFailed) {
  for (const int failed : {0, 3}) {
    const auto said = sentences(
        20s, 10s,
        [&](int rank, Watchdog& watchdog, Activity&) {
          if (rank != failed) return;
          EXPECT_TRUE(watchdog.tell("gave up"));
        },
        failed);
    for (int rank = 0; rank < 4; ++rank)
      EXPECT_THAT(said[rank],
                  HasSubstr(rank == failed ? ""
                                           : "rank " + std::to_string(failed) + " of 4 on " +
                                                 host_name() + " gave up"));
  }
}

TEST(Watchdog, HasEveryRankDoItsLastActWhenTheLaunchEnds) {
  std::atomic<int> acts = 0;
  static_cast<void>(sentences(
      20s, 10s,
      [&](int rank, Watchdog& watchdog, Activity&) {
        watchdog.at_early_end([&] { ++acts; });
        if (rank == 3) {
          EXPECT_TRUE(watchdog.tell("gave up"));
        }
        for (int i = 0; i < 1000 && acts < 4; ++i) std::this_thread::sleep_for(10ms);
      },
      3));
  EXPECT_EQ(acts, 4);
}

TEST(Watchdog, HasALastActDoneThatComesAfterTheEnd) {
  std::atomic<int> acts = 0;
  static_cast<void>(sentences(
      20s, 10s,
      [&](int rank, Watchdog& watchdog, Activity&) {
        if (rank == 3) {
          EXPECT_TRUE(watchdog.tell("gave up"));
        }
        std::this_thread::sleep_for(300ms);  // all have heard of it
        watchdog.at_early_end([&] { ++acts; });
        for (int i = 0; i < 1000 && acts < 4; ++i) std::this_thread::sleep_for(10ms);
      },
      3));
  EXPECT_EQ(acts, 4);
}

/// Four processes of which one raises a signal; the status, and what they wrote to stderr.
std::pair<int, std::string> status_and_words(int signalled, int signal) {
  ::testing::internal::CaptureStderr();
  const int status = run_forked(4, 20s, [=](ControlPlane& plane) {
    Activity activity;
    activity.begin(kPoint);
    Watchdog watchdog{plane, activity, {.timeout = 1s}};
    if (plane.rank() == signalled) ::raise(signal);
    std::this_thread::sleep_for(30s);  // as in a call that never returns
    return 0;
  });
  return {status, ::testing::internal::GetCapturedStderr()};
}

TEST(Watchdog, NamesAProcessThatStoppedOrDied) {
  for (const auto& [signalled, signal] : {std::pair{2, SIGKILL}, std::pair{0, SIGSTOP}}) {
    const auto [status, words] = status_and_words(signalled, signal);
    EXPECT_NE(status, 0);
    for (int rank = 0; rank < 4; ++rank) {
      if (rank == signalled) continue;
      const std::string self = "moecal: rank " + std::to_string(rank) + " of 4 on " + host_name();
      const std::string reason =
          "rank " + std::to_string(signalled) + " of 4 on " + host_name() +
          (signal == SIGKILL ? " is gone" : " has given no sign of life for [0-9.]+ s");
      EXPECT_THAT(words, ContainsRegex(self + ", in " + kPoint + ", step 'beginning': " + reason));
    }
  }
}

}  // namespace
}  // namespace moecal
