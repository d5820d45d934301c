// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/interrupt.hpp"

#include <csignal>

namespace moecal::bench {
namespace {

// The one thing a signal handler may touch.
volatile std::sig_atomic_t caught = 0;

extern "C" void moecal_catch_signal(int) { caught = 1; }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = moecal_catch_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return caught != 0; }

}  // namespace moecal::bench
