// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/watchdog.hpp"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/hosts.hpp"
#include "runtime/message_parts.hpp"
#include "runtime/pulse.hpp"

namespace moecal {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

milliseconds to_milliseconds(Seconds time) {
  return std::chrono::duration_cast<milliseconds>(time);
}

}  // namespace

class Watchdog::Watch {
 public:
  Watch(ControlPlane& world, const Activity& activity, Setup setup)
      : activity_{activity},
        setup_{std::move(setup)},
        self_{"rank " + std::to_string(world.rank()) + " of " + std::to_string(world.size()) +
              " on " + host_name()},
        links_{world} {
    if (world.rank() != 0) links_.connect();
    thread_ = std::thread{[this] { run(); }};
    try {
      world.wait_for_all();  // rank 0 listens until all have found it
    } catch (...) {
      leave();
      throw;
    }
  }

  ~Watch() { leave(); }

  bool tell(const std::string& reason) {
    std::unique_lock lock{mutex_};
    if (ended_) return false;
    wish_ = reason;
    links_.wake();
    told_.wait_for(lock, kLastMoment, [this] { return !wish_; });
    return wish_ ? !ended_ : passed_on_;
  }

  void at_early_end(std::function<void()> last_act) {
    const std::lock_guard lock{mutex_};
    last_acts_.push_back(std::move(last_act));
    if (ended_) start_last_acts();  // it is late, not needless
  }

  [[nodiscard]] std::string sentence(const std::string& reason) const {
    return "moecal: " + self_ + ", in " + activity_.state().where + ": " + reason +
           "; all ranks end, the same command with the run's --run-id resumes\n";
  }

 private:
  using Time = steady_clock::time_point;

  void leave() {
    leaving_ = true;
    links_.wake();
    thread_.join();
  }

  void run() {
    for (Time sign = steady_clock::now(); !leaving_;) {
      // One sign an interval: an answer to each sign heard would keep a core of every host busy.
      if (steady_clock::now() >= sign) {
        links_.send(Sign::alive, "", activity_.state().beats);
        sign = steady_clock::now() + interval_;
      }
      look(links_.listen(sign));
    }
    if (!ended_) links_.take_leave();
  }

  void look(const PulseLinks::Heard& heard) {
    const Time now = steady_clock::now();
    // This process itself was stopped and goes on, or did not get to run: what others did meanwhile
    // is yet to be heard. The time before counts on, or a busy machine would never notice anything.
    const auto missed = std::chrono::duration_cast<milliseconds>(now - looked_);
    if (missed > 4 * interval_) {
      links_.pardon(now, missed);
      progress_ += missed;
    }
    looked_ = now;
    if (pass_on_wish() || ended_) return;
    if (!heard.verdict.empty()) return end(heard.verdict);
    if (!heard.gone.empty())
      return end(heard.gone + " is gone, " + seconds_text(heard.gone_after) +
                 " after its last sign of life: it ended or was killed");
    if (const auto silence = links_.silence(now, setup_.timeout); !silence.names.empty())
      return end(silence.names + " has given no sign of life for " + seconds_text(silence.longest) +
                 ", " + seconds_text(setup_.timeout) +
                 " being allowed ($MOECAL_TIMEOUT_S): it is stopped, or its host is cut off");
    look_at_step(now);
  }

  void look_at_step(Time now) {
    const Activity::State state = activity_.state();
    const std::uint64_t beats = state.beats + links_.beats();
    if (beats != beats_) progress_ = now;
    beats_ = beats;
    const int times = state.limit == Activity::Limit::own_work ? 10 : 1;
    const milliseconds limit = times * setup_.timeout + to_milliseconds(state.allowed);
    // Silence, which names the rank that is stopped, is noticed first.
    if (now - progress_ > limit + 4 * interval_)
      end("no rank made progress for " + seconds_text(limit) + ", says " + self_ +
          " ($MOECAL_TIMEOUT_S and what the step is known to take)");
  }

  /// Whether the rank itself failed.
  bool pass_on_wish() {
    const std::lock_guard lock{mutex_};
    if (!wish_) return false;
    start_last_acts();
    passed_on_ = !ended_;
    if (passed_on_) links_.send(Sign::verdict, self_ + " " + *wish_);
    ended_ = true;
    wish_.reset();
    told_.notify_all();
    return true;
  }

  void end(const std::string& reason) {
    ended_ = true;
    links_.send(Sign::verdict, reason);
    {
      const std::lock_guard lock{mutex_};
      start_last_acts();
    }
    setup_.end(sentence(reason));
  }

  // They may call a library that does not return any more, so nobody waits for them. Under mutex_.
  void start_last_acts() {
    if (last_acts_.empty()) return;
    std::thread{[acts = std::exchange(last_acts_, {})] {
      for (const auto& act : acts) act();
    }}.detach();
  }

  const Activity& activity_;
  Setup setup_;
  std::string self_;
  milliseconds interval_ = std::clamp(setup_.timeout / 20, milliseconds{50}, milliseconds{1'000});
  PulseLinks links_;
  Time looked_ = steady_clock::now();
  Time progress_ = looked_;
  std::uint64_t beats_ = 0;
  std::atomic<bool> ended_ = false;
  bool passed_on_ = false;
  std::atomic<bool> leaving_ = false;
  std::mutex mutex_;
  std::condition_variable told_;
  std::optional<std::string> wish_;
  std::vector<std::function<void()>> last_acts_;
  std::thread thread_;
};

Watchdog::Watchdog(ControlPlane& world, const Activity& activity, Setup setup)
    : watch_{std::make_unique<Watch>(world, activity, std::move(setup))} {}
Watchdog::~Watchdog() = default;

bool Watchdog::tell(const std::string& reason) { return watch_->tell(reason); }

void Watchdog::at_early_end(std::function<void()> last_act) {
  watch_->at_early_end(std::move(last_act));
}

std::string Watchdog::sentence(const std::string& reason) const { return watch_->sentence(reason); }

void Watchdog::write_and_exit(const std::string& sentence) {
  static_cast<void>(!::write(STDERR_FILENO, sentence.data(), sentence.size()));
  std::this_thread::sleep_for(kLastMoment);
  ::_exit(1);
}

}  // namespace moecal
