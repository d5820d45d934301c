// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/child_process.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

namespace moecal::cli {
namespace {

Command shell(const std::string& text) { return {{"sh", "-c", text}, {}}; }

TEST(ChildProcess, TellsHowAProgramEnded) {
  const HangWatch patient{.from = 60, .interval = 1, .hangs = [] { return true; }};
  EXPECT_EQ(run(shell("exit 3"), patient).status, 3);
  const auto killed = run(shell("kill -9 $$"), patient);
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_EQ(killed.status, 128 + SIGKILL);
  EXPECT_FALSE(killed.hung);
}

TEST(ChildProcess, EndsOneThatHangs) {
  const auto ended =
      run(shell("sleep 100"), HangWatch{.from = 0.05, .interval = 1, .hangs = [] { return true; }});
  EXPECT_TRUE(ended.hung);
  EXPECT_FALSE(ended.left_running);
  EXPECT_EQ(ended.signal, SIGTERM);
}

// The system forgets it at once: nobody can say how it ended, but end it did.
TEST(ChildProcess, DoesNotWaitForOneThatIsNotThereAnyMore) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  const auto started = std::chrono::steady_clock::now();
  const auto watched =
      run(shell("exit 0"), HangWatch{.from = 0.2, .interval = 0.2, .hangs = [&] {
                                       return std::chrono::steady_clock::now() - started >
                                              std::chrono::seconds{30};
                                     }});
  const auto unwatched = run(shell("exit 0"));
  std::signal(SIGCHLD, before);
  EXPECT_FALSE(watched.hung);
  EXPECT_EQ(watched.status, 1);
  EXPECT_EQ(unwatched.status, 1);
}

TEST(ChildProcess, ReadsWhatAProgramWritesForSoLong) {
  const auto finished = run_and_read(shell("echo out; echo err >&2; exit 4"), 60);
  EXPECT_EQ(finished.status, 4);
  EXPECT_FALSE(finished.hung);
  EXPECT_EQ(finished.output, "out\n");
  EXPECT_EQ(finished.errors, "err\n");
  const auto silent = run_and_read(shell("echo begun; sleep 100"), 0.3);
  EXPECT_TRUE(silent.hung);
  EXPECT_EQ(silent.output, "begun\n");
}

}  // namespace
}  // namespace moecal::cli
