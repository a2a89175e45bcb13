'use strict';

/*
 * The colours of frames: a hue for each module, so that one sees whose code it is, and a shade for
 * each function, so that neighbours differ. All keep a contrast of 4.5 to 1 with their text.
 */

class FlamePalette {
  constructor(isDark) {
    this.isDark = isDark;
    this.text = isDark ? '#f2f2f2' : '#15181c';
    this.fadedText = isDark ? '#a9adb3' : '#555b63';
    this.background = isDark ? '#16181c' : '#ffffff';
    this.rest = isDark ? '#3a3e45' : '#d5d9de';
    this.selection = isDark ? '#ffffff' : '#000000';
    this.faded = isDark ? '#25282d' : '#eef0f2';
    this.match = isDark ? '#8a3b8f' : '#f3a6f7';
    this.byGroup = [];
  }

  /** The colour of a function, which is mixed once. */
  group(groups, group) {
    if (this.groups !== groups) {
      this.groups = groups;
      this.byGroup = [];
    }
    // The root has no group.
    return (this.byGroup[group + 1] ??= this.mixed(groups, group));
  }

  mixed(groups, group) {
    if (group < 0) {
      return this.rest;
    }
    const report = groups.report;
    const module = report.frames.module[groups.frames[group]];
    if (module === 0) {
      return this.rest;
    }
    const hue = this.hueOf(report, module);
    const shade = hash(groups.labels[group]) % 5;
    return this.isDark
      ? `hsl(${hue} 42% ${24 + shade * 2}%)`
      : `hsl(${hue} ${56 + shade * 3}% ${84 - shade * 2}%)`;
  }

  /** Hues apart from each other by the golden angle, in the order in which modules appear. */
  hueOf(report, module) {
    if (this.hues === undefined) {
      const modules = [...new Set(report.frames.module)].filter((text) => text !== 0);
      this.hues = new Map(
        modules.map((text, index) => [text, Math.round((210 + index * 137.508) % 360)]),
      );
    }
    return this.hues.get(module);
  }

  /** From blue for what vanished over grey to orange for what is new; signs say the same. */
  change(share) {
    const strength = Math.min(1, Math.abs(share));
    const hue = share > 0 ? 24 : 212;
    const isNothing = strength < 0.005;
    const saturation = isNothing ? 0 : 30 + 60 * strength;
    const lightness = this.isDark ? 26 + 6 * strength : 92 - 24 * strength;
    return `hsl(${hue} ${saturation.toFixed(0)}% ${lightness.toFixed(0)}%)`;
  }
}

/** FNV-1a, 32 bits. */
function hash(text) {
  let state = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  }
  return state >>> 0;
}
