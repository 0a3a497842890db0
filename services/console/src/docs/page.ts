/** One page of the documentation: its HTML, what can be linked to in it, and what is searched. */

export interface Section {
  readonly anchor: string;
  readonly heading: string;
  /** Without marks. */
  readonly text: string;
}

export interface DocPage {
  readonly path: string;
  readonly title: string;
  /** What stands between the frame of the site. */
  readonly html: string;
  readonly sections: readonly Section[];
  /** Addresses within the site that it links to, with their anchors. */
  readonly links: readonly string[];
  /** Files of the repository that it names, from the root, and that have no page. */
  readonly sources: readonly string[];
}
