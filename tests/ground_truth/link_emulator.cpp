// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// link_emulator HOST_A ADDRESS_A HOST_B ADDRESS_B MEGABYTES_PER_S DELAY_US MTU
//
// A full-duplex point-to-point link between two network namespaces, of a rate and a delay that are
// known: each direction takes in one packet after the other at the rate (10^6 bytes a second, IP
// headers included) and gives each out a fixed time after its last byte went in. Nothing is lost or
// reordered. Prints "ready" when packets can flow; SIGTERM or SIGINT ends it, and it then says how
// late packets were, which is how far to trust what was measured over it.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Time = std::chrono::steady_clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

constexpr std::size_t kLongestPacket = 65'536;
constexpr std::size_t kMostQueued = 20'000;  // packets; more than any TCP window here
constexpr int kMostTakenAtOnce = 64;         // so that no direction starves the other

volatile std::sig_atomic_t stop_asked = 0;

/// @throws std::runtime_error with what the system said.
int checked(int result, const std::string& what) {
  if (result < 0) throw std::runtime_error{what + ": " + std::strerror(errno)};
  return result;
}

Nanoseconds nanoseconds(double value) { return Nanoseconds{static_cast<long>(value)}; }

struct Host {
  std::string name;  // of the namespace
  std::string address;
};

void run_command(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error{"failed: " + command};
}

/// A packet device inside the host's namespace, held from outside.
int open_device(const Host& host, int mtu) {
  const int own = checked(open("/proc/self/ns/net", O_RDONLY), "opening the own namespace");
  const std::string path = "/run/netns/" + host.name;
  const int other = checked(open(path.c_str(), O_RDONLY), "opening " + path);
  checked(setns(other, CLONE_NEWNET), "entering " + path);
  const int device = checked(open("/dev/net/tun", O_RDWR | O_NONBLOCK), "opening /dev/net/tun");
  ifreq request{};
  std::strcpy(request.ifr_name, "link0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  checked(ioctl(device, TUNSETIFF, &request), "making link0 in " + host.name);
  checked(setns(own, CLONE_NEWNET), "leaving " + path);
  close(own);
  close(other);
  const std::string ip = "ip -n " + host.name;
  run_command(ip + " addr add " + host.address + "/24 dev link0");
  run_command(ip + " link set link0 mtu " + std::to_string(mtu) + " txqueuelen 10000 up");
  return device;
}

/// How late packets left.
struct Lateness {
  long packets = 0;
  Nanoseconds sum{0};
  Nanoseconds worst{0};
};

/// What is on its way from one host to the other.
class Direction {
 public:
  Direction(int from, int to, double ns_per_byte, Nanoseconds delay)
      : from_{from}, to_{to}, ns_per_byte_{ns_per_byte}, delay_{delay} {}

  void take_in() {
    static std::array<char, kLongestPacket> buffer;
    for (int i = 0; i < kMostTakenAtOnce && queue_.size() < kMostQueued; ++i) {
      const ssize_t bytes = read(from_, buffer.data(), buffer.size());
      if (bytes <= 0) return;
      const Time now = std::chrono::steady_clock::now();
      const Nanoseconds on_wire = nanoseconds(static_cast<double>(bytes) * ns_per_byte_);
      free_at_ = std::max(free_at_, now) + on_wire;
      queue_.push_back({free_at_ + delay_, {buffer.data(), buffer.data() + bytes}});
    }
  }

  void give_out(Lateness& lateness) {
    while (!queue_.empty()) {
      const auto& [due, bytes] = queue_.front();
      const Nanoseconds late = std::chrono::steady_clock::now() - due;
      if (late < Nanoseconds{0}) return;
      if (write(to_, bytes.data(), bytes.size()) < 0 && errno == EAGAIN) return;
      ++lateness.packets;
      lateness.sum += late;
      lateness.worst = std::max(lateness.worst, late);
      queue_.pop_front();
    }
  }

  [[nodiscard]] std::optional<Time> next_due() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.front().due;
  }

 private:
  struct Packet {
    Time due;
    std::vector<char> bytes;
  };

  int from_, to_;
  double ns_per_byte_;
  Nanoseconds delay_;
  Time free_at_{};
  std::deque<Packet> queue_;
};

timespec until(std::optional<Time> due) {
  constexpr Nanoseconds kLongestWait = std::chrono::milliseconds{200};  // to notice a signal
  Nanoseconds wait = kLongestWait;
  if (due) wait = std::clamp<Nanoseconds>(*due - std::chrono::steady_clock::now(), {}, wait);
  return {0, static_cast<long>(wait.count())};
}

void relay(std::array<Direction, 2>& directions, const std::array<int, 2>& devices,
           Lateness& lateness) {
  while (stop_asked == 0) {
    std::optional<Time> next;
    for (Direction& direction : directions) {
      direction.take_in();
      direction.give_out(lateness);
      if (const auto due = direction.next_due()) next = next ? std::min(*next, *due) : *due;
    }
    std::array<pollfd, 2> ready{{{devices[0], POLLIN, 0}, {devices[1], POLLIN, 0}}};
    const timespec wait = until(next);
    ppoll(ready.data(), ready.size(), &wait, nullptr);
  }
}

/// A relay that waits for its time slice is no known delay.
void be_punctual() {
  prctl(PR_SET_TIMERSLACK, 1UL);
  mlockall(MCL_CURRENT | MCL_FUTURE);
  sched_param priority{};
  priority.sched_priority = 10;
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
    std::cerr << "link_emulator: no real-time priority: packets will be late on a busy machine\n";
}

double positive(const char* text) {
  const double value = std::atof(text);
  if (!(value > 0)) throw std::runtime_error{"'" + std::string{text} + "' is not above 0"};
  return value;
}

int run(char** arguments) {
  const Host a{arguments[1], arguments[2]}, b{arguments[3], arguments[4]};
  const double ns_per_byte = 1e3 / positive(arguments[5]);
  const Nanoseconds delay = nanoseconds(1e3 * std::max(0.0, std::atof(arguments[6])));
  const int mtu = static_cast<int>(positive(arguments[7]));
  const std::array<int, 2> devices{open_device(a, mtu), open_device(b, mtu)};
  std::array<Direction, 2> directions{Direction{devices[0], devices[1], ns_per_byte, delay},
                                      Direction{devices[1], devices[0], ns_per_byte, delay}};
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // the hosts are their maker's
  std::signal(SIGTERM, [](int) { stop_asked = 1; });
  std::signal(SIGINT, [](int) { stop_asked = 1; });
  be_punctual();
  std::cout << "ready" << std::endl;
  Lateness lateness;
  relay(directions, devices, lateness);
  const double mean = static_cast<double>(lateness.sum.count()) /
                      static_cast<double>(std::max(1L, lateness.packets));
  std::printf("%ld packets, late by %.1f us in the mean, %.1f us at most\n", lateness.packets,
              1e-3 * mean, 1e-3 * static_cast<double>(lateness.worst.count()));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 8) {
    std::cerr << "link_emulator HOST_A ADDRESS_A HOST_B ADDRESS_B MEGABYTES_PER_S DELAY_US MTU\n";
    return 2;
  }
  try {
    return run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "link_emulator: " << error.what() << "\n";
    return 1;
  }
}
