// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

// What the sanitizers' runtimes want to be told when a program switches stacks by itself. The
// symbols are weak: they are null in a build without that sanitizer, so no #ifdef is needed.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): names of sanitizer/common_interface_defs.h.
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** own_fake_stack, const void* next_bottom,
                                                  std::size_t next_size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* own_fake_stack,
                                                   const void** previous_bottom,
                                                   std::size_t* previous_size);
// NOLINTEND(bugprone-reserved-identifier)
}

namespace moecal::cuda_on_cpu {

inline bool built_with_address_sanitizer() { return __sanitizer_start_switch_fiber != nullptr; }

/// A stack as AddressSanitizer sees it.
struct StackBounds {
  const void* bottom = nullptr;
  std::size_t size = 0;
};

/// Tells AddressSanitizer that the code between construction and destruction leaves the current
/// stack for `next` and comes back.
class LeavingStack {
 public:
  explicit LeavingStack(StackBounds next) {
    if (built_with_address_sanitizer())
      __sanitizer_start_switch_fiber(&fake_stack_, next.bottom, next.size);
  }
  ~LeavingStack() {
    if (built_with_address_sanitizer())
      __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
  }
  LeavingStack(const LeavingStack&) = delete;
  LeavingStack& operator=(const LeavingStack&) = delete;

 private:
  void* fake_stack_ = nullptr;
};

/// First thing on a new stack; returns the bounds of the stack it was entered from.
inline StackBounds entered_new_stack() {
  StackBounds previous;
  if (built_with_address_sanitizer())
    __sanitizer_finish_switch_fiber(nullptr, &previous.bottom, &previous.size);
  return previous;
}

/// Last thing on a stack that is never returned to.
inline void leave_stack_for_good(StackBounds next) {
  if (built_with_address_sanitizer())
    __sanitizer_start_switch_fiber(nullptr, next.bottom, next.size);
}

}  // namespace moecal::cuda_on_cpu
